"""Flows + verdicts ▸ edges: what flows have in common that rules, windows or verdicts tell, and their sums."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from pipeline.agreement import AGREEMENTS, agreement
from pipeline.flow import ACTIONS, MISSING, REPORTERS, Endpoint, FlowBatch, Ints
from pipeline.match.bits import distinct, distinct_of
from pipeline.match.verdict import Outcome, Verdicts
from pipeline.own_host import NO, OPEN, YES
from pipeline.resolve import Resolved
from pipeline.threats import Threats

MAX_TEXT = 512  # characters of a name: longer ones are cut, no cluster has any
MAX_DOMAINS = 16
MAX_POLICIES = 500  # in a list of staged ones, so that no edge outgrows a message

_DST = REPORTERS.index("dst")
_DIRECTIONS = {"src": "egress", "dst": "ingress", "fwd": "forward"}
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
    """One edge as JSON, and the batch's local endpoint and peer of one of its flows."""

    edge: bytes
    local: int
    peer: int


def observed_edges(
    batch: FlowBatch,
    verdicts: Verdicts,
    resolved: Resolved,
    interval_ms: int,
    changed_at: int,
    threats: Threats,
) -> list[Observed]:
    """The batch's edges: all of them together sum up to its flows."""
    local, peer = locals_of(batch), np.where(batch.reporter == _DST, batch.source, batch.dest)
    outcomes, told = _told(verdicts)
    agrees = agreement(batch, verdicts, changed_at)
    marks = [threats.of(endpoint) for endpoint in batch.endpoints]
    keys = [
        batch.reporter,
        numbers([workload(each) for each in batch.endpoints])[local],
        numbers([_peer(each) for each in batch.endpoints])[peer],
        batch.proto,
        batch.dest_port,
        batch.service,
        batch.domain,
        batch.end // interval_ms,
        batch.action,
        resolved.own_host.astype(np.int64),
        outcomes,
        agrees,
        numbers(marks)[peer],
    ]
    first, edge_of = distinct(keys)
    ends = list(zip(local[first].tolist(), peer[first].tolist(), strict=True))
    said = zip(
        _said(batch, first, interval_ms),
        ends,
        resolved.own_host[first].tolist(),
        [told[number] for number in outcomes[first].tolist()],
        agrees[first].tolist(),
        _sums(batch, first, edge_of),
        strict=True,
    )
    return [
        Observed(
            orjson.dumps(
                what
                | _ends_said(batch.endpoints[here], batch.endpoints[there])
                | {"own_host": _OWN_HOST[own_host], "threats": marks[there]}
                | outcome
                | {"agrees": AGREEMENTS[agreed] or None}
                | sums
            ),
            here,
            there,
        )
        for what, (here, there), own_host, outcome, agreed, sums in said
    ]


def locals_of(batch: FlowBatch) -> Ints:
    """The endpoint of each flow (n,) on the side that reported it."""
    return np.where(batch.reporter == _DST, batch.dest, batch.source)


def numbers(values: Sequence[tuple[str, ...]]) -> Ints:
    """The same number for equal values."""
    known: dict[tuple[str, ...], int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def workload(endpoint: Endpoint) -> tuple[str, ...]:
    """What the endpoints of one workload have in common."""
    return endpoint.type, endpoint.namespace, endpoint.name_aggr or endpoint.name


def _peer(endpoint: Endpoint) -> tuple[str, ...]:
    """Of what is no workload the address says which one it is."""
    return *workload(endpoint), "" if endpoint.type == "wep" else endpoint.ip


def cut(text: str) -> str:
    """The text, where it is not longer than any cluster's."""
    return text[:MAX_TEXT]


def _told(verdicts: Verdicts) -> tuple[Ints, list[dict[str, Any]]]:
    """(which of what edges say of outcomes each flow's (n,) is, what they say). Outcomes that differ in
    the way to a decision only are one."""
    kinds, of_flow = distinct_of(verdicts.outcome, len(verdicts.outcomes))
    known: dict[tuple[Any, ...], int] = {}
    said: list[dict[str, Any]] = []
    number = []
    for outcome in (verdicts.outcomes[kind] for kind in kinds.tolist()):
        what = _outcome(outcome)
        number.append(known.setdefault(tuple(what.values()), len(known)))
        if len(said) < len(known):
            said.append(what)
    return np.array(number, np.int64)[of_flow], said


def _outcome(outcome: Outcome) -> dict[str, Any]:
    enforced, promoted = outcome.enforced, outcome.promoted
    return {
        "enforced": enforced.action if enforced else "unjudged",
        "enforced_tier": enforced.tier if enforced else None,
        "enforced_policy": enforced.policy if enforced else None,
        "promoted": promoted.action if promoted else "unjudged",
        "impact": outcome.impact,
        "staged_deny": outcome.staged_deny[:MAX_POLICIES],
        "staged_allow": outcome.staged_allow[:MAX_POLICIES],
        "staged_unknown": outcome.staged_unknown[:MAX_POLICIES],
        "unknown": outcome.unknown,
        "unjudged": outcome.unjudged,
    }


def _ends_said(local: Endpoint, peer: Endpoint) -> dict[str, Any]:
    peer_type, peer_namespace, peer_name, peer_ip = _peer(peer)
    return {
        "workload": cut(local.name_aggr or local.name),
        "workload_type": local.type,
        "peer": cut(peer_name),
        "peer_type": peer_type,
        "peer_namespace": cut(peer_namespace),
        "peer_ip": cut(peer_ip) or None,
    }


def _said(batch: FlowBatch, first: Ints, interval_ms: int) -> Iterator[dict[str, Any]]:
    """What all flows of each edge have in common, from the `first` of them."""
    columns = (batch.reporter, batch.proto, batch.dest_port, batch.service, batch.domain)
    intervals = batch.end[first] // interval_ms * interval_ms
    rows = zip(*(column[first].tolist() for column in columns), strict=True)
    ends = zip(batch.action[first].tolist(), intervals.tolist(), first.tolist(), strict=True)
    for (reporter, protocol, port, service, domain), (action, interval, row) in zip(rows, ends, strict=True):
        service_namespace, service_name, _ = batch.services[service]
        domains = batch.domains[domain]
        yield {
            "direction": _DIRECTIONS[REPORTERS[reporter]],
            "reporter": REPORTERS[reporter],
            "protocol": _known(protocol),
            "port": _known(port),
            "service": cut(service_name) or None,
            "service_namespace": cut(service_namespace) or None,
            "domains": None if domains is None else [cut(name) for name in domains[:MAX_DOMAINS]],
            "interval": interval,
            "logged": None if action == MISSING else ACTIONS[action],
            "example": batch.ids[row],
        }


def _known(number: int) -> int | None:
    return None if number == MISSING else number


def _sums(batch: FlowBatch, first: Ints, edge_of: Ints) -> Iterator[dict[str, int]]:
    """What the flows of each edge (m,) add up to; `edge_of` (n,) is the edge of each flow."""
    zeros = np.zeros(len(first), np.int64)
    sums = {name: added(zeros, edge_of, getattr(batch, column)) for name, column in _SUMS.items()}
    earliest, latest = batch.start[first], batch.end[first]
    np.minimum.at(earliest, edge_of, batch.start)
    np.maximum.at(latest, edge_of, batch.end)
    columns = {"flows": np.bincount(edge_of), **sums, "first": earliest, "last": latest}
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        yield dict(zip(columns, row, strict=True))


def added(zeros: Ints, kind_of: Ints, values: Ints) -> Ints:
    """The sums of values (n,) by kind; what is below 0 counts as nothing."""
    total = zeros.copy()
    np.add.at(total, kind_of, np.maximum(values, 0))
    return total
