"""The changes of a batch ▸ what they add up to."""

from dataclasses import replace
from functools import cache

import numpy as np

from pipeline.evidence import labels_of
from pipeline.flow import ACTIONS, MISSING, REPORTERS, Endpoint, FlowBatch, Ints
from pipeline.impact import Edge
from pipeline.match.bits import distinct
from pipeline.match.verdict import Outcome, Verdicts
from pipeline.observed_edges import added
from pipeline.resolve import JUDGED, UNJUDGED, Resolved
from pipeline.whatif.changes import CHANGES, Change, Changed, Found, Sums
from pipeline.whatif.pairs import Pairs, action_of
from pipeline.who import PROTOCOL_WORDS
from pipeline.workload import workload_of

_SRC, _DST = REPORTERS.index("src"), REPORTERS.index("dst")
_NO_PLACE = ("", "-")


def counted(batch: FlowBatch, before: Verdicts, resolved: Resolved) -> Found:
    """The totals of a batch."""
    kinds = np.array([each.type == "wep" for each in batch.endpoints], np.bool_)
    counts = (batch.reporter == _SRC) | ((batch.reporter == _DST) & ~kinds[batch.source])
    found = Found(
        len(batch),
        int(batch.num_flows_started[counts].sum()),
        int((batch.bytes_in + batch.bytes_out)[counts].sum()),
    )
    unjudged = resolved.unjudged[resolved.unjudged != JUDGED]
    of_reason = np.bincount(unjudged, minlength=len(UNJUDGED)).tolist()
    found.unjudged = {reason: flows for reason, flows in zip(UNJUDGED, of_reason, strict=True) if flows}
    ours = np.array([_logged(each) for each in before.outcomes], np.int64)[before.outcome]
    compared = (ours != MISSING) & (batch.action != MISSING)
    found.disagreeing = int((compared & (ours != batch.action)).sum())
    return found


def _logged(outcome: Outcome) -> int:
    """The action as nodes log it; MISSING where it is neither."""
    action = action_of(outcome)
    return ACTIONS.index(action) if action in ACTIONS else MISSING


def summed(batch: FlowBatch, rows: Ints, change: Ints, pairs: Pairs) -> dict[Changed, Sums]:
    """The changes of the flows at `rows`, what they have in common told once."""
    columns = (change, pairs.number, batch.source, batch.dest, batch.proto, batch.dest_port)
    keys = [column[rows] for column in columns]
    first, kind = distinct([*keys, batch.reporter[rows]])
    started, size = batch.num_flows_started[rows], (batch.bytes_in + batch.bytes_out)[rows]
    zeros = np.zeros(len(first), np.int64)
    earliest, latest = batch.start[rows][first], batch.end[rows][first]
    np.minimum.at(earliest, kind, batch.start[rows])
    np.maximum.at(latest, kind, batch.end[rows])
    figures = (np.bincount(kind), added(zeros, kind, started), added(zeros, kind, size), earliest, latest)
    sums = zip(*(each.tolist() for each in figures), [batch.ids[row] for row in rows[first]], strict=True)
    end = cache(lambda number: _end(batch.endpoints[number]))
    found = Found()
    for (what, pair, source, dest, proto, port), own in zip(
        zip(*(key[first].tolist() for key in keys), strict=True), sums, strict=True
    ):
        edge = Edge(end(source), end(dest), _service(proto, port))
        found.add(Found(changes={_changed(CHANGES[what - 1], edge, *pairs.both(pair)): Sums(*own)}))
    return found.changes


def _changed(change: Change, edge: Edge, before: Outcome, after: Outcome) -> Changed:
    assert before.enforced is not None
    assert after.enforced is not None
    missing = tuple(sorted({*before.unknown, *after.unknown})) if change == "unknown" else ()
    # Another way to the same rule is nothing that a reader could tell apart.
    was, becomes = (replace(each, trace=()) for each in (before.enforced, after.enforced))
    return Changed(change, edge, before.direction, was, becomes, missing)


def _end(endpoint: Endpoint) -> str:
    name = endpoint.name_aggr or endpoint.name or endpoint.ip or "?"
    if endpoint.namespace in _NO_PLACE:
        return name
    labels = labels_of(endpoint.labels) or {}
    return f"{endpoint.namespace}/{workload_of(name, (f'{key}={value}' for key, value in labels.items()))}"


def _service(proto: int, port: int) -> str:
    name = "any" if proto == MISSING else PROTOCOL_WORDS.get(proto, str(proto))
    return f"{name}/{'*' if port == MISSING else port}"
