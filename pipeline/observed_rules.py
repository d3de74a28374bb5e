"""Flows + verdicts ▸ which rules they matched, by the match bits: log rules and shadowed ones too."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import orjson

from pipeline.flow import FlowBatch, Ints
from pipeline.match.bits import distinct
from pipeline.match.matched import RuleSets
from pipeline.match.verdict import Verdicts
from pipeline.observed_edges import added, locals_of

AT_ONCE = 2048  # flows that differ in what they match: some policies' rules are many


def observed_rules(
    batch: FlowBatch, verdicts: Verdicts, namespace: Ints, interval_ms: int
) -> Iterator[tuple[int, bytes]]:
    """(a local endpoint of its namespace, JSON) of the rules that flows matched, by window and
    `namespace` (n,), the number of the local side's. What many flows matched may come in parts."""
    matched = verdicts.matched
    if matched is None:
        return
    kinds = _kinds_of(batch, namespace, batch.end // interval_ms * interval_ms, matched.of_flow)
    for low in range(0, len(kinds.flows), AT_ONCE):
        part = _Kinds(*(column[low : low + AT_ONCE] for column in kinds))
        yield from _observed(part, matched.sets)


class _Kinds(NamedTuple):
    """Flows of one namespace and window that match the same set of rules, as columns (m,)."""

    namespace: Ints
    interval: Ints
    rules: Ints
    local: Ints  # an endpoint of the namespace
    flows: Ints
    connections: Ints
    last: Ints


def _kinds_of(batch: FlowBatch, namespace: Ints, interval: Ints, rules: Ints) -> _Kinds:
    first, kind_of = distinct([namespace, interval, rules])
    connections = added(np.zeros(len(first), np.int64), kind_of, batch.num_flows_started)
    last = batch.end[first]
    np.maximum.at(last, kind_of, batch.end)
    return _Kinds(
        namespace=namespace[first],
        interval=interval[first],
        rules=rules[first],
        local=locals_of(batch)[first],
        flows=np.bincount(kind_of),
        connections=connections,
        last=last,
    )


def _observed(kinds: _Kinds, sets: RuleSets) -> Iterator[tuple[int, bytes]]:
    certain, possible = (lists.of(kinds.rules) for lists in (sets.certain, sets.possible))
    kind = np.concatenate([certain[0], possible[0]])
    rule = np.concatenate([certain[1], possible[1]]).astype(np.int64)
    is_certain = np.arange(len(kind)) < len(certain[0])
    row, rule_of = distinct([kinds.namespace[kind], kinds.interval[kind], rule])
    none, flows = np.zeros(len(row), np.int64), kinds.flows[kind]
    latest = none.copy()
    np.maximum.at(latest, rule_of, kinds.last[kind])
    columns = {
        "interval": kinds.interval[kind[row]],
        "flows": added(none, rule_of, np.where(is_certain, flows, 0)),
        "possible": added(none, rule_of, np.where(is_certain, 0, flows)),
        "connections": added(none, rule_of, np.where(is_certain, kinds.connections[kind], 0)),
        "last": latest,
    }
    names = zip(kinds.local[kind[row]].tolist(), rule[row].tolist(), strict=True)
    counts = zip(*(column.tolist() for column in columns.values()), strict=True)
    for (local, number), count in zip(names, counts, strict=True):
        named = sets.rules[number]._asdict()
        yield local, orjson.dumps(named | dict(zip(columns, count, strict=True)))
