"""Flows + verdicts ▸ which rules they matched, by the match bits: log rules and shadowed ones too."""

from collections.abc import Iterator

import numpy as np
import orjson

from pipeline.flow import FlowBatch, Ints
from pipeline.match.bits import distinct
from pipeline.match.verdict import Verdicts
from pipeline.observed_edges import added, locals_of


def observed_rules(
    batch: FlowBatch, verdicts: Verdicts, namespace: Ints, interval_ms: int
) -> Iterator[tuple[int, bytes]]:
    """(a local endpoint of its namespace, JSON) of each rule that flows matched, by window and
    `namespace` (n,), the number of the local side's."""
    matched = verdicts.matched
    if matched is None:
        return
    sets = matched.sets
    interval, local = batch.end // interval_ms, locals_of(batch)
    first, kind_of = distinct([matched.of_flow, namespace, interval])
    zeros = np.zeros(len(first), np.int64)
    sums = np.bincount(kind_of), added(zeros, kind_of, batch.num_flows_started)
    last = batch.end[first]
    np.maximum.at(last, kind_of, batch.end)
    certain, possible = (lists.of(matched.of_flow[first]) for lists in (sets.certain, sets.possible))
    owner = np.concatenate([certain[0], possible[0]])
    rule = np.concatenate([certain[1], possible[1]]).astype(np.int64)
    is_certain = np.arange(len(owner)) < len(certain[0])
    row, rule_of = distinct([namespace[first[owner]], interval[first[owner]], rule])
    none = np.zeros(len(row), np.int64)
    flows, connections = (each[owner] for each in sums)
    latest = none.copy()
    np.maximum.at(latest, rule_of, last[owner])
    columns = (
        local[first[owner[row]]],
        interval[first[owner[row]]] * interval_ms,
        rule[row],
        added(none, rule_of, np.where(is_certain, flows, 0)),
        added(none, rule_of, np.where(is_certain, 0, flows)),
        added(none, rule_of, np.where(is_certain, connections, 0)),
        latest,
    )
    for here, start, number, sure, may, started, newest in zip(*(c.tolist() for c in columns), strict=True):
        what = sets.rules[number]._asdict()
        counts = {"flows": sure, "possible": may, "connections": started, "last": newest}
        yield here, orjson.dumps({"interval": start} | what | counts)
