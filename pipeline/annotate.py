"""Flows and verdicts ▸ documents: the flow's own JSON with @timestamp, cluster and verdict spliced in."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import orjson

from pipeline.flow import ACTIONS, FlowBatch, Ints
from pipeline.match.trace import UNKNOWN_RULE, parse_hit
from pipeline.match.verdict import Decision, Outcome, Verdicts

type Agreement = Literal["yes", "action", "rule", "stale", "none_logged"]

INDEX_PREFIX = "flowtier_flows"


class Document(msgspec.Struct, frozen=True, gc=False):
    """One document for Elasticsearch; `body` is JSON on one line."""

    id: str
    index: str
    body: bytes


class _Class(NamedTuple):
    """What all flows of one class have in common, so that it is rendered once."""

    outcome: Outcome
    logged: tuple[str, ...] | None
    action: str | None  # as the node logged it
    stale: bool
    timed: bool
    end: int


def annotate(batch: FlowBatch, verdicts: Verdicts, cluster: str, changed_at: int) -> list[Document]:
    """The document of each flow (DESIGN.md §4): its own fields untouched, `@timestamp` (end of the
    interval, ms), `cluster` and `verdict`.

    `changed_at` (ms since the epoch): since when the revision is in force; a flow that began before it
    may have met another one, and where it disagrees with the node it is `stale`.
    """
    classes, of_flow = _classes(batch, verdicts, changed_at)
    tails = [_tail(each, cluster, verdicts.revision) for each in classes]
    indices = [_index(cluster, each.end) for each in classes]
    return [
        Document(id_, indices[i], raw[:-1] + tails[i])
        for id_, raw, i in zip(batch.ids, batch.raw, of_flow.tolist(), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Tally:
    """Flows of a batch by what became of them, for metrics."""

    action: Counter[str] = field(default_factory=Counter)  # of the enforced verdict; unjudged ones too
    agrees: Counter[str] = field(default_factory=Counter)
    impact: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)  # by what is missing
    staged_deny: Counter[str] = field(default_factory=Counter)  # by staged policy
    staged_allow: Counter[str] = field(default_factory=Counter)
    staged_unknown: Counter[str] = field(default_factory=Counter)


def tally(batch: FlowBatch, verdicts: Verdicts, changed_at: int) -> Tally:
    """Count the flows of a batch; the same arguments as `annotate`."""
    classes, of_flow = _classes(batch, verdicts, changed_at)
    counts = Tally()
    for each, n in zip(classes, np.bincount(of_flow, minlength=len(classes)).tolist(), strict=True):
        outcome = each.outcome
        counts.action[outcome.enforced.action if outcome.enforced else "unjudged"] += n
        counts.agrees[_agrees(each) or "not_compared"] += n
        counts.impact[outcome.impact] += n
        for counter, names in (
            (counts.unknown, outcome.unknown),
            (counts.staged_deny, outcome.staged_deny),
            (counts.staged_allow, outcome.staged_allow),
            (counts.staged_unknown, outcome.staged_unknown),
        ):
            counter.update(dict.fromkeys(names, n))
    return counts


def _classes(batch: FlowBatch, verdicts: Verdicts, changed_at: int) -> tuple[list[_Class], Ints]:
    """The distinct classes, and the class of each flow (n,)."""
    columns = (
        verdicts.outcome,
        batch.logged,
        batch.action,
        (batch.start <= changed_at).astype(np.int64),
        batch.timed.astype(np.int64),
        batch.end,
    )
    key = np.zeros(len(batch), np.int64)
    for column in columns:  # mixed radix, packed anew after each column: never above n x values
        values, digit = np.unique(column, return_inverse=True)
        _, key = np.unique(key * len(values) + digit, return_inverse=True)
    _, first, of_flow = np.unique(key, return_index=True, return_inverse=True)
    rows = zip(*(column[first].tolist() for column in columns), strict=True)
    classes = [
        _Class(
            verdicts.outcomes[outcome],
            batch.logs[logged].enforced,
            ACTIONS[action] if action >= 0 else None,
            bool(stale),
            bool(timed),
            end,
        )
        for outcome, logged, action, stale, timed, end in rows
    ]
    return classes, of_flow


def _agrees(flow: _Class) -> Agreement | None:
    """How our enforced decision stands to what the node logged; None where we have none or it is
    unknown. Where our completions differ on the way, or the node logged no rule, that part is not
    compared."""
    ours = flow.outcome.enforced
    if ours is None or ours.action == "unknown":
        return None
    if flow.action is None and not flow.logged:
        return "none_logged"
    if flow.action is not None and flow.action != ours.action:
        return "stale" if flow.stale else "action"
    if not flow.logged:
        return "none_logged"
    if ours.trace and not _same_hit(ours.trace[-1], flow.logged[-1]):
        return "stale" if flow.stale else "rule"
    return "yes"


def _same_hit(ours: str, theirs: str) -> bool:
    a, b = parse_hit(ours), parse_hit(theirs)
    same_policy = (a.tier, a.policy, a.action) == (b.tier, b.policy, b.action)
    return same_policy and b.rule in (a.rule, UNKNOWN_RULE)


def _tail(flow: _Class, cluster: str, revision: str) -> bytes:
    """What follows the flow's own fields, with the closing brace."""
    added = {"@timestamp": flow.end, "cluster": cluster, "verdict": _verdict(flow, revision)}
    return b"," + orjson.dumps(added)[1:]


def _verdict(flow: _Class, revision: str) -> dict[str, Any]:
    outcome = flow.outcome
    verdict: dict[str, Any] = {"namespace": outcome.namespace, "direction": outcome.direction}
    if outcome.unjudged:
        verdict["unjudged"] = outcome.unjudged
    for scope in ("enforced", "pending", "promoted"):
        decision: Decision | None = getattr(outcome, scope)
        if decision:
            verdict[scope] = _decision(decision)
    if outcome.unjudged is None:
        verdict["impact"] = outcome.impact
    lists = {
        name: getattr(outcome, name) for name in ("staged_deny", "staged_allow", "staged_unknown", "unknown")
    }
    verdict |= {name: values for name, values in lists.items() if values}
    if agrees := _agrees(flow):
        verdict["agrees"] = agrees
    if not flow.timed:
        verdict["time_from"] = "kafka"
    return verdict | {"revision": revision}


def _decision(decision: Decision) -> dict[str, Any]:
    what = {"tier": decision.tier, "policy": decision.policy, "rule": decision.rule}
    said = {name: value for name, value in what.items() if value is not None}
    trace = {"trace": decision.trace} if decision.trace else {}
    return {"action": decision.action, **trace, **said}


def _index(cluster: str, end: int) -> str:
    """The daily index of a flow that ended at `end` (ms); the flow alone decides it (DESIGN.md §4)."""
    return f"{INDEX_PREFIX}.{cluster}.{datetime.fromtimestamp(end / 1000, UTC):%Y%m%d}"
