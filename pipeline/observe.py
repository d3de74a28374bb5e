"""Flows + verdicts ▸ observations: the edges that one batch taught, by namespace."""

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
import orjson

from pipeline.flow import ACTIONS, MISSING, REPORTERS, Endpoint, FlowBatch, Ints
from pipeline.match.bits import distinct
from pipeline.match.verdict import Decision, Impact, VerdictAction, Verdicts

VERSION = 1
HOUR_MS = 3_600_000
NO_NAMESPACE = "-"  # key of edges whose local side is in none
MAX_BYTES = 512 * 1024  # of one message; an edge is far below it
MAX_TEXT = 512  # characters of a name: longer ones are cut, no cluster has any
MAX_DOMAINS = 16

_DIRECTIONS = {"src": "egress", "dst": "ingress", "fwd": "forward"}
_VERDICTS: tuple[str, ...] = (*get_args(VerdictAction.__value__), "unjudged")
_IMPACTS: tuple[str, ...] = get_args(Impact.__value__)
_WORDS = {"logged": ACTIONS, "enforced": _VERDICTS, "promoted": _VERDICTS, "impact": _IMPACTS}
_SUMS = {
    "connections": "num_flows",
    "started": "num_flows_started",
    "completed": "num_flows_completed",
    "bytes_in": "bytes_in",
    "bytes_out": "bytes_out",
    "packets_in": "packets_in",
    "packets_out": "packets_out",
}


def observe(batch: FlowBatch, verdicts: Verdicts) -> list[tuple[str, bytes]]:
    """The batch's edges as messages of (namespace, JSON value), docs/schemas/flow-observations.v1.json.

    An edge holds what is common to its flows, and their sums: all edges together sum up to the batch.
    The local side is the one that reported; its namespace (or "-") is the key.
    Times are ms since the epoch; `hour` counts hours since then, by the end of the flow, so that
    whoever counts by windows can. Counters that a record lacks count as 0.
    """
    if not len(batch):
        return []
    local_is_dest = batch.reporter == REPORTERS.index("dst")
    local = np.where(local_is_dest, batch.dest, batch.source)
    peer = np.where(local_is_dest, batch.source, batch.dest)
    keys = [
        batch.reporter,
        _numbers([_workload(each) for each in batch.endpoints])[local],
        _numbers([_peer(each) for each in batch.endpoints])[peer],
        batch.proto,
        batch.dest_port,
        batch.service,
        batch.domain,
        batch.end // HOUR_MS,
    ]
    first, edge_of = distinct(keys)
    edges = _Edges(batch, verdicts, first, edge_of)
    by_namespace: dict[str, list[bytes]] = {}
    for number, row in enumerate(first.tolist()):
        here, there = batch.endpoints[local[row]], batch.endpoints[peer[row]]
        edge = _said(batch, row, here, there) | edges[number]
        by_namespace.setdefault(_cut(here.namespace) or NO_NAMESPACE, []).append(orjson.dumps(edge))
    return [
        (namespace, value)
        for namespace, found in by_namespace.items()
        for value in _messages(namespace, verdicts.revision, found)
    ]


class _Edges:
    """The sums of each edge (m,); `edge_of` (n,) is the edge of each flow."""

    def __init__(self, batch: FlowBatch, verdicts: Verdicts, first: Ints, edge_of: Ints) -> None:
        self._edge_of = edge_of
        self._total = np.zeros(len(first), np.int64)
        self._sums = {"flows": self._sum(np.ones_like(edge_of))}
        for name, column in _SUMS.items():
            self._sums[name] = self._sum(np.maximum(getattr(batch, column), 0))
        self._sums["first"] = batch.start[first]
        np.minimum.at(self._sums["first"], edge_of, batch.start)
        self._sums["last"] = batch.end[first]
        np.maximum.at(self._sums["last"], edge_of, batch.end)
        of_outcome = {
            "enforced": [_verdict(each.enforced) for each in verdicts.outcomes],
            "promoted": [_verdict(each.promoted) for each in verdicts.outcomes],
            "impact": [_IMPACTS.index(each.impact) for each in verdicts.outcomes],
        }
        codes = {name: np.array(each, np.int64)[verdicts.outcome] for name, each in of_outcome.items()}
        self._counts = {name: self._count(each) for name, each in {"logged": batch.action, **codes}.items()}

    def __getitem__(self, number: int) -> dict[str, Any]:
        """What the flows of an edge add up to; of verdicts and impacts only those that occur."""
        told: dict[str, Any] = {name: int(values[number]) for name, values in self._sums.items()}
        for name, counts in self._counts.items():
            said = zip(_WORDS[name], counts[number].tolist(), strict=False)
            told[name] = {word: flows for word, flows in said if flows}
        return told

    def _sum(self, values: Ints) -> Ints:
        total = self._total.copy()
        np.add.at(total, self._edge_of, values)
        return total

    def _count(self, codes: Ints) -> Ints:
        """Flows of each edge by code (m, k); where the code is missing they are not counted."""
        known = codes != MISSING
        total = np.zeros((len(self._total), int(codes.max(initial=0)) + 1), np.int64)
        np.add.at(total, (self._edge_of[known], codes[known]), 1)
        return total


def _numbers(values: list[tuple[str, ...]]) -> Ints:
    """The same number for equal values."""
    known: dict[tuple[str, ...], int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def _verdict(decision: Decision | None) -> int:
    return _VERDICTS.index(decision.action if decision else "unjudged")


def _workload(endpoint: Endpoint) -> tuple[str, ...]:
    return endpoint.type, endpoint.namespace, endpoint.name_aggr or endpoint.name


def _peer(endpoint: Endpoint) -> tuple[str, ...]:
    """Of what is no workload the address says which one it is."""
    return *_workload(endpoint), "" if endpoint.type == "wep" else endpoint.ip


def _said(batch: FlowBatch, row: int, here: Endpoint, there: Endpoint) -> dict[str, Any]:
    """What all flows of an edge have in common, from one of them."""
    reporter = REPORTERS[int(batch.reporter[row])]
    service_namespace, service, _ = batch.services[int(batch.service[row])]
    domains = batch.domains[int(batch.domain[row])]
    peer_type, peer_namespace, peer, peer_ip = (_cut(text) for text in _peer(there))
    return {
        "direction": _DIRECTIONS[reporter],
        "reporter": reporter,
        "workload": _cut(here.name_aggr or here.name),
        "workload_type": here.type,
        "peer": peer,
        "peer_type": peer_type,
        "peer_namespace": peer_namespace,
        "peer_ip": peer_ip or None,
        "protocol": _known(batch.proto[row]),
        "port": _known(batch.dest_port[row]),
        "service": _cut(service) or None,
        "service_namespace": _cut(service_namespace) or None,
        "domains": None if domains is None else [_cut(domain) for domain in domains[:MAX_DOMAINS]],
        "hour": int(batch.end[row] // HOUR_MS),
    }


def _known(number: np.int64) -> int | None:
    return None if number == MISSING else int(number)


def _cut(text: str) -> str:
    return text[:MAX_TEXT]


def _messages(namespace: str, revision: str, edges: list[bytes]) -> Iterator[bytes]:
    """The edges of a namespace in messages of at most MAX_BYTES."""
    head = orjson.dumps({"v": VERSION, "namespace": namespace, "revision": revision})[:-1] + b',"edges":['
    part: list[bytes] = []
    size = 0
    for edge in edges:
        if part and size + len(edge) > MAX_BYTES:
            yield head + b",".join(part) + b"]}"
            part, size = [], 0
        part.append(edge)
        size += len(edge) + 1
    yield head + b",".join(part) + b"]}"
