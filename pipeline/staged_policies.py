"""Policies of each revision, as they are indexed ▸ the staged ones, what they touch and since when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from pipeline.policy.policies import ENFORCED_KINDS, PolicyKind

type PolicyDocument = Mapping[str, Any]

# What decides on flows. A policy's place among others follows from its tier's and its own order and name.
CONTENT = (
    *("tier", "tier_order", "tier_default_action", "order", "staged_action"),
    *("types", "selector", "ingress_rules", "egress_rules", "rules"),
)
_HOUR_MS = 3_600_000
# A worker that compiles the policies judges by those before a little longer.
_TAKEN_OVER_MS = 5 * 60_000


@dataclass(frozen=True, slots=True)
class IndexedRevision:
    """One revision's policies by name; `since` (ms): when it came into force."""

    revision: str
    since: int
    policies: Mapping[str, PolicyDocument]


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged policy. `workloads`: those whose traffic may change once it is enforced, its own and those
    of the policy whose place it takes. `since` (ms): start of the first hour whose flows were all judged by
    it as it is, beside policies as they are; None: all flows that there are."""

    policy: str
    tier: str
    namespace: str
    workloads: tuple[str, ...]
    directions: tuple[str, ...]
    since: int | None
    unjudged: str | None = None


def staged_policies(revisions: Sequence[IndexedRevision], unjudged: Mapping[str, str]) -> Iterator[Staged]:
    """The staged policies of the first of `revisions`, which go back in time as far as any are kept.

    `unjudged`: why verdicts do not tell all of a policy."""
    newest = revisions[0].policies
    changes = [_changed(newer, older, revisions[0]) for newer, older in pairwise(revisions)]
    for name, document in newest.items():
        if document["staged"]:
            own = [*_touched(document, newest.get(twin_of(name)))]
            workloads = {workload for each in own for workload in _applies_to(each)}
            yield Staged(
                policy=name,
                tier=document["tier"],
                namespace=document.get("namespace") or "",
                workloads=tuple(sorted(workloads)),
                directions=tuple(sorted({kind.lower() for each in own for kind in _list(each.get("types"))})),
                since=next((each.at for each in changes if each.concerns(name, workloads)), None),
                unjudged=unjudged.get(name),
            )


def twin_of(policy: str) -> str:
    """The name of the enforced policy whose place a staged one takes."""
    kind, _, name = policy.partition(":")
    return f"{ENFORCED_KINDS.get(cast(PolicyKind, kind), kind)}:{name}"


def _touched(document: PolicyDocument, twin: PolicyDocument | None) -> Iterator[PolicyDocument]:
    """The policies whose workloads get another verdict, maybe."""
    if document.get("staged_action") != "Delete":  # that one has no rules, and a selector of no meaning
        yield document
    if twin:
        yield twin


@dataclass(frozen=True, slots=True)
class _Changed:
    """What was otherwise before `at` (ms): policies by name, and the workloads of the enforced ones."""

    at: int
    names: set[str]
    workloads: set[str]

    def concerns(self, staged: str, workloads: set[str]) -> bool:
        """Whether verdicts of a staged policy from before may not be those of today: they come of itself and
        of what is enforced on its workloads."""
        return staged in self.names or not workloads.isdisjoint(self.workloads)


def _changed(newer: IndexedRevision, older: IndexedRevision, newest: IndexedRevision) -> _Changed:
    taken_over = newer.since + _TAKEN_OVER_MS
    now, then = newest.policies, older.policies
    names = {name for name in {*now, *then} if _content(now.get(name)) != _content(then.get(name))}
    documents = [side[name] for side in (now, then) for name in names if name in side]
    workloads = {each for document in documents if not document["staged"] for each in _applies_to(document)}
    return _Changed(-(-taken_over // _HOUR_MS) * _HOUR_MS, names, workloads)


def _content(document: PolicyDocument | None) -> list[Any] | None:
    return [document.get(field) for field in CONTENT] if document else None


def _applies_to(document: PolicyDocument) -> list[str]:
    return _list(document.get("applies_to"))


def _list(values: Any) -> list[str]:
    """Elasticsearch takes one value for a list of one."""
    return [] if values is None else [values] if isinstance(values, str) else list(values)
