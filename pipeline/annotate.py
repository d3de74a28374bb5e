"""Flows and verdicts ▸ documents: the flow's own JSON with @timestamp, cluster and verdict spliced in."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any

import msgspec
import numpy as np
import orjson

from pipeline.agreement import AGREEMENTS, agreement
from pipeline.flow import FlowBatch
from pipeline.match.verdict import Decision, Outcome, Verdicts

INDEX_PREFIX = "flowtier_flows"


class Document(msgspec.Struct, frozen=True, gc=False):
    """One document for Elasticsearch: a flow, and what is added to it in the place of its last brace."""

    id: str
    index: str
    flow: bytes
    added: bytes

    @property
    def body(self) -> bytes:
        """JSON on one line."""
        return self.flow[:-1] + self.added


def annotate(batch: FlowBatch, verdicts: Verdicts, cluster: str, changed_at: int) -> list[Document]:
    """The document of each flow (DESIGN.md §4): its own fields untouched, `@timestamp` (end of the
    interval, ms), `cluster` and `verdict`.

    `changed_at` (ms since the epoch): since when the revision is in force (see `agreement`). What flows
    have in common, the end of the interval, the outcome, the agreement, is rendered once.
    """
    added = _Added(cluster, verdicts)
    closing = agreement(batch, verdicts, changed_at) * 2 + batch.timed
    keys = zip(batch.end.tolist(), verdicts.outcome.tolist(), closing.tolist(), strict=True)
    rows = zip(batch.ids, batch.raw, map(added.__getitem__, keys), strict=True)
    return [Document(id_, index, raw, more) for id_, raw, (index, more) in rows]


@dataclass(frozen=True, slots=True)
class Tally:
    """Flows of a batch by what became of them, for metrics."""

    action: Counter[str] = field(default_factory=Counter)  # of the enforced verdict; or unjudged
    agrees: Counter[str] = field(default_factory=Counter)  # those compared
    impact: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)  # by what is missing
    staged_deny: Counter[str] = field(default_factory=Counter)  # by staged policy
    staged_allow: Counter[str] = field(default_factory=Counter)
    staged_unknown: Counter[str] = field(default_factory=Counter)


_LISTS = ("staged_deny", "staged_allow", "staged_unknown", "unknown")


def tally(batch: FlowBatch, verdicts: Verdicts, changed_at: int) -> Tally:
    """Count the flows of a batch; the same arguments as `annotate`."""
    counts = Tally()
    flows = np.bincount(verdicts.outcome, minlength=len(verdicts.outcomes)).tolist()
    for outcome, n in zip(verdicts.outcomes, flows, strict=True):
        if n:
            counts.action[outcome.enforced.action if outcome.enforced else "unjudged"] += n
            counts.impact[outcome.impact] += n
            for name in _LISTS:
                getattr(counts, name).update(dict.fromkeys(getattr(outcome, name), n))
    agreements = np.bincount(agreement(batch, verdicts, changed_at), minlength=len(AGREEMENTS)).tolist()
    counts.agrees.update({name: n for name, n in zip(AGREEMENTS, agreements, strict=True) if name and n})
    return counts


class _Added(dict[tuple[int, int, int], tuple[str, bytes]]):
    """End of the interval, outcome and closing (see `annotate`) of a flow ▸ its index, and what is added."""

    def __init__(self, cluster: str, verdicts: Verdicts) -> None:
        self.ends, self.outcomes = _Ends(cluster), _Outcomes(verdicts.outcomes)
        ways = product(AGREEMENTS, (False, True))
        self.last = [_last(agrees, timed, verdicts.revision) for agrees, timed in ways]

    def __missing__(self, key: tuple[int, int, int]) -> tuple[str, bytes]:
        end, outcome, closing = key
        index, head = self.ends[end]
        self[key] = added = index, b"".join((head, self.outcomes[outcome], self.last[closing]))
        return added


class _Ends(dict[int, tuple[str, bytes]]):
    """End of an interval (ms) ▸ the daily index, which the flow alone decides (DESIGN.md §4), and the
    first of the added fields."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster

    def __missing__(self, end: int) -> tuple[str, bytes]:
        index = f"{INDEX_PREFIX}.{self.cluster}.{datetime.fromtimestamp(end / 1000, UTC):%Y%m%d}"
        head = orjson.dumps({"@timestamp": end, "cluster": self.cluster})
        self[end] = index, b"," + head[1:-1] + b',"verdict":{'
        return self[end]


class _Outcomes(dict[int, bytes]):
    """Number of an outcome ▸ its fields, without braces, with a comma at the end."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes

    def __missing__(self, number: int) -> bytes:
        self[number] = orjson.dumps(_fields(self.outcomes[number]))[1:-1] + b","
        return self[number]


def _fields(outcome: Outcome) -> dict[str, Any]:
    judged = {"unjudged": outcome.unjudged} if outcome.unjudged else {"impact": outcome.impact}
    scopes = {name: getattr(outcome, name) for name in ("enforced", "pending", "promoted")}
    lists = {name: getattr(outcome, name) for name in _LISTS}
    return {
        "namespace": outcome.namespace,
        "direction": outcome.direction,
        **{name: _decision(decision) for name, decision in scopes.items() if decision},
        **judged,
        **{name: values for name, values in lists.items() if values},
    }


def _decision(decision: Decision) -> dict[str, Any]:
    what = {"tier": decision.tier, "policy": decision.policy, "rule": decision.rule}
    said = {name: value for name, value in what.items() if value is not None}
    return {"action": decision.action, **({"trace": decision.trace} if decision.trace else {}), **said}


def _last(agrees: str, timed: bool, revision: str) -> bytes:
    """The last fields of the verdict, and the closing braces."""
    return orjson.dumps({
        **({"agrees": agrees} if agrees else {}),
        **({} if timed else {"time_from": "kafka"}),
        "revision": revision,
    })[1:] + b"}"  # fmt: skip
