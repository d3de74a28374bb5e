"""Flows + verdicts ▸ observations: the edges that one batch taught, by namespace."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
import orjson

from pipeline.flow import ACTIONS, MISSING, REPORTERS, Endpoint, FlowBatch, Ints
from pipeline.match.bits import distinct
from pipeline.match.verdict import Decision, Impact, VerdictAction, Verdicts
from pipeline.observed_labels import Pairs, labels_by_endpoint, labels_by_workload
from pipeline.own_host import NO, OPEN, YES
from pipeline.resolve import Resolved

VERSION = 2
HOUR_MS = 3_600_000
NO_NAMESPACE = "-"  # key of edges whose local side is in none
MAX_BYTES = 512 * 1024  # of one message; an edge is far below it
MAX_TEXT = 512  # characters of a name: longer ones are cut, no cluster has any
MAX_DOMAINS = 16
MAX_LABELS = 64  # of a workload

_DIRECTIONS = {"src": "egress", "dst": "ingress", "fwd": "forward"}
_VERDICTS: tuple[str, ...] = (*get_args(VerdictAction.__value__), "unjudged")
_IMPACTS: tuple[str, ...] = get_args(Impact.__value__)
_WORDS = {"logged": ACTIONS, "enforced": _VERDICTS, "promoted": _VERDICTS, "impact": _IMPACTS}
_OWN_HOST = {YES: True, NO: False, OPEN: None}
_SUMS = {
    "connections": "num_flows",
    "started": "num_flows_started",
    "completed": "num_flows_completed",
    "bytes_in": "bytes_in",
    "bytes_out": "bytes_out",
    "packets_in": "packets_in",
    "packets_out": "packets_out",
}


class Observed(NamedTuple):
    """One edge, and the numbers of its two workloads."""

    edge: bytes
    workloads: tuple[int, int]


def observe(batch: FlowBatch, verdicts: Verdicts, resolved: Resolved) -> list[tuple[str, bytes]]:
    """The batch's edges as messages of (namespace, JSON value), docs/schemas/flow-observations.v2.json.

    An edge holds what is common to its flows, and their sums: all edges together sum up to the batch.
    The local side is the one that reported; its namespace (or "-") is the key. A message says of each of
    its workloads which labels its endpoints have in common. Times are ms since the epoch; `hour` counts
    hours since then, by the end of the flow, so that whoever counts by windows can. Counters that a
    record lacks count as 0.
    """
    if not len(batch):
        return []
    local_is_dest = batch.reporter == REPORTERS.index("dst")
    local = np.where(local_is_dest, batch.dest, batch.source)
    peer = np.where(local_is_dest, batch.source, batch.dest)
    workloads = _numbers([_workload(each) for each in batch.endpoints])
    keys = [
        batch.reporter,
        workloads[local],
        _numbers([_peer(each) for each in batch.endpoints])[peer],
        batch.proto,
        batch.dest_port,
        batch.service,
        batch.domain,
        batch.end // HOUR_MS,
        batch.action,
        resolved.own_host.astype(np.int64),
    ]
    first, edge_of = distinct(keys)
    here = [batch.endpoints[number] for number in local[first].tolist()]
    there = [batch.endpoints[number] for number in peer[first].tolist()]
    by_namespace: dict[str, list[Observed]] = {}
    numbers = zip(workloads[local[first]].tolist(), workloads[peer[first]].tolist(), strict=True)
    said = _said(batch, first, here, there, resolved)
    for endpoint, both, what, sums in zip(
        here, numbers, said, _sums(batch, verdicts, first, edge_of), strict=True
    ):
        edge = Observed(orjson.dumps(what | sums), both)
        by_namespace.setdefault(_cut(endpoint.namespace) or NO_NAMESPACE, []).append(edge)
    labels = labels_by_workload(workloads.tolist(), batch.endpoints, labels_by_endpoint(batch, resolved))
    described = _described(batch, labels, workloads)
    return [
        (namespace, value)
        for namespace, found in by_namespace.items()
        for value in _messages(namespace, verdicts.revision, found, described)
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
    batch: FlowBatch, first: Ints, here: Sequence[Endpoint], there: Sequence[Endpoint], resolved: Resolved
) -> Iterator[dict[str, Any]]:
    """What all flows of each edge have in common, from the `first` of them."""
    columns = (batch.reporter, batch.proto, batch.dest_port, batch.service, batch.domain, batch.end)
    own = resolved.own_host[first].tolist()
    rows = zip(here, there, *(column[first].tolist() for column in columns), own, first.tolist(), strict=True)
    for local, peer, reporter, protocol, port, service, domain, end, own_host, row in rows:
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
            "own_host": _OWN_HOST[own_host],
            "example": batch.ids[row],
        }


def _known(number: int) -> int | None:
    return None if number == MISSING else number


def _cut(text: str) -> str:
    return text[:MAX_TEXT]


def _described(batch: FlowBatch, labels: dict[int, Pairs], workloads: Ints) -> dict[int, bytes]:
    """What a message says of each workload that has labels, by its number."""
    described = {}
    for number, endpoint in zip(workloads.tolist(), batch.endpoints, strict=True):
        if number in labels and number not in described:
            own = dict(sorted(labels[number])[:MAX_LABELS])
            name = _cut(endpoint.name_aggr or endpoint.name)
            who = {"type": endpoint.type, "namespace": _cut(endpoint.namespace), "name": name}
            described[number] = orjson.dumps(who | {"labels": own})
    return described


def _messages(
    namespace: str, revision: str, edges: list[Observed], described: dict[int, bytes]
) -> Iterator[bytes]:
    """The edges of a namespace, and their workloads, in messages of about MAX_BYTES at most."""
    head = orjson.dumps({"v": VERSION, "namespace": namespace, "revision": revision})[:-1]
    part: list[bytes] = []
    named: dict[int, bytes] = {}
    size = 0
    for edge, workloads in edges:
        new = {n: described[n] for n in workloads if n in described and n not in named}
        more = len(edge) + 1 + sum(len(each) + 1 for each in new.values())
        if part and size + more > MAX_BYTES:
            yield _message(head, part, named)
            part, named, size = [], {}, 0
            new = {n: described[n] for n in workloads if n in described}
        part.append(edge)
        named |= new
        size += more
    yield _message(head, part, named)


def _message(head: bytes, edges: list[bytes], workloads: dict[int, bytes]) -> bytes:
    return b'%b,"workloads":[%b],"edges":[%b]}' % (head, b",".join(workloads.values()), b",".join(edges))
