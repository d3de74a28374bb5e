"""Flows + verdicts ▸ observations: the edges that one batch taught, by namespace."""

from collections.abc import Iterator, Sequence
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
    here = [batch.endpoints[number] for number in local[first].tolist()]
    there = [batch.endpoints[number] for number in peer[first].tolist()]
    by_namespace: dict[str, list[bytes]] = {}
    edges = zip(here, _said(batch, first, here, there), _sums(batch, verdicts, first, edge_of), strict=True)
    for endpoint, said, sums in edges:
        edge = orjson.dumps(said | sums)
        by_namespace.setdefault(_cut(endpoint.namespace) or NO_NAMESPACE, []).append(edge)
    return [
        (namespace, value)
        for namespace, found in by_namespace.items()
        for value in _messages(namespace, verdicts.revision, found)
    ]


def _sums(batch: FlowBatch, verdicts: Verdicts, first: Ints, edge_of: Ints) -> Iterator[dict[str, Any]]:
    """What the flows of each edge (m,) add up to; `edge_of` (n,) is the edge of each flow. Of verdicts
    and impacts only those that occur."""
    zeros = np.zeros(len(first), np.int64)
    flows = _added(zeros, edge_of, np.int64(1))
    sums = {
        name: _added(zeros, edge_of, np.maximum(getattr(batch, column), 0)) for name, column in _SUMS.items()
    }
    earliest, latest = batch.start[first], batch.end[first]
    np.minimum.at(earliest, edge_of, batch.start)
    np.maximum.at(latest, edge_of, batch.end)
    columns = {"flows": flows, **sums, "first": earliest, "last": latest}
    of_outcome = {
        "enforced": [_verdict(each.enforced) for each in verdicts.outcomes],
        "promoted": [_verdict(each.promoted) for each in verdicts.outcomes],
        "impact": [_IMPACTS.index(each.impact) for each in verdicts.outcomes],
    }
    codes = {name: np.array(each, np.int64)[verdicts.outcome] for name, each in of_outcome.items()}
    counts = {
        name: _counts(_WORDS[name], len(first), edge_of, each)
        for name, each in {"logged": batch.action, **codes}.items()
    }
    names = (*columns, *counts)
    for told in zip(*(column.tolist() for column in columns.values()), *counts.values(), strict=True):
        yield dict(zip(names, told, strict=True))


def _added(zeros: Ints, edge_of: Ints, values: Ints | np.int64) -> Ints:
    total = zeros.copy()
    np.add.at(total, edge_of, values)
    return total


def _counts(words: Sequence[str], edges: int, edge_of: Ints, codes: Ints) -> list[dict[str, int]]:
    """Flows of each edge by the word of their code; where the code is missing they are not counted."""
    known = codes != MISSING
    cells = np.bincount(edge_of[known] * len(words) + codes[known], minlength=edges * len(words))
    counts: list[dict[str, int]] = [{} for _ in range(edges)]
    for cell in np.flatnonzero(cells).tolist():
        counts[cell // len(words)][words[cell % len(words)]] = int(cells[cell])
    return counts


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


def _said(
    batch: FlowBatch, first: Ints, here: Sequence[Endpoint], there: Sequence[Endpoint]
) -> Iterator[dict[str, Any]]:
    """What all flows of each edge have in common, from the `first` of them."""
    columns = (batch.reporter, batch.proto, batch.dest_port, batch.service, batch.domain, batch.end)
    rows = zip(here, there, *(column[first].tolist() for column in columns), strict=True)
    for local, peer, reporter, protocol, port, service, domain, end in rows:
        service_namespace, service_name, _ = batch.services[service]
        domains = batch.domains[domain]
        peer_type, peer_namespace, peer_name, peer_ip = _peer(peer)
        yield {
            "direction": _DIRECTIONS[REPORTERS[reporter]],
            "reporter": REPORTERS[reporter],
            "workload": _cut(local.name_aggr or local.name),
            "workload_type": local.type,
            "peer": _cut(peer_name),
            "peer_type": peer_type,
            "peer_namespace": _cut(peer_namespace),
            "peer_ip": _cut(peer_ip) or None,
            "protocol": _known(protocol),
            "port": _known(port),
            "service": _cut(service_name) or None,
            "service_namespace": _cut(service_namespace) or None,
            "domains": None if domains is None else [_cut(name) for name in domains[:MAX_DOMAINS]],
            "hour": end // HOUR_MS,
        }


def _known(number: int) -> int | None:
    return None if number == MISSING else number


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
