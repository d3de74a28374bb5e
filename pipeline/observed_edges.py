"""Flows + verdicts ▸ edges: what flows have in common that rules, windows, verdicts tell, and their sums."""

from collections.abc import Iterator, Sequence
from functools import cache
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
    outcomes, said = _told(verdicts)
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
    told_by = _Told(batch, marks, said)
    columns = (
        batch.reporter,
        local,
        peer,
        batch.service,
        batch.domain,
        resolved.own_host,
        batch.action,
        outcomes,
        agrees,
    )
    rows = zip(*(column[first].tolist() for column in columns), strict=True)
    numbered = _numbered(batch, first, edge_of, interval_ms)
    return [
        Observed(told_by.common(*row) + orjson.dumps(figures)[1:], row[1], row[2])
        for row, figures in zip(rows, numbered, strict=True)
    ]


class _Told:
    """What edges say that is no number, each part of it rendered once: without the last brace."""

    def __init__(
        self, batch: FlowBatch, marks: Sequence[tuple[str, ...]], outcomes: Sequence[dict[str, Any]]
    ) -> None:
        self._batch, self._marks, self._outcomes = batch, marks, outcomes
        parts = (self._head, self._local, self._peer, self._service, self._domain, self._verdict)
        self._parts = [cache(lambda *key, part=part: orjson.dumps(part(*key))[1:-1]) for part in parts]

    def common(
        self,
        reporter: int,
        local: int,
        peer: int,
        service: int,
        domain: int,
        own_host: int,
        action: int,
        outcome: int,
        agrees: int,
    ) -> bytes:
        """All that an edge says but its numbers, by the columns that tell it apart."""
        head, here, there, asked, resolved, verdict = self._parts
        parts = (
            head(reporter, own_host, action),
            here(local),
            there(peer),
            asked(service),
            resolved(domain),
            verdict(outcome, agrees),
            b"",
        )
        return b"{" + b",".join(parts)

    def _head(self, reporter: int, own_host: int, action: int) -> dict[str, Any]:
        return {
            "direction": _DIRECTIONS[REPORTERS[reporter]],
            "reporter": REPORTERS[reporter],
            "own_host": _OWN_HOST[own_host],
            "logged": None if action == MISSING else ACTIONS[action],
        }

    def _local(self, number: int) -> dict[str, Any]:
        endpoint = self._batch.endpoints[number]
        return {"workload": cut(endpoint.name_aggr or endpoint.name), "workload_type": endpoint.type}

    def _peer(self, number: int) -> dict[str, Any]:
        type_, namespace, name, ip = _peer(self._batch.endpoints[number])
        return {
            "peer": cut(name),
            "peer_type": type_,
            "peer_namespace": cut(namespace),
            "peer_ip": cut(ip) or None,
            "threats": self._marks[number],
        }

    def _service(self, number: int) -> dict[str, Any]:
        namespace, name, _ = self._batch.services[number]
        return {"service": cut(name) or None, "service_namespace": cut(namespace) or None}

    def _domain(self, number: int) -> dict[str, Any]:
        domains = self._batch.domains[number]
        return {"domains": None if domains is None else [cut(name) for name in domains[:MAX_DOMAINS]]}

    def _verdict(self, outcome: int, agrees: int) -> dict[str, Any]:
        return self._outcomes[outcome] | {"agrees": AGREEMENTS[agrees] or None}


def _numbered(batch: FlowBatch, first: Ints, edge_of: Ints, interval_ms: int) -> Iterator[dict[str, Any]]:
    """The numbers of each edge, and what its flows (n,) add up to; `edge_of` (n,) is the edge of each."""
    zeros = np.zeros(len(first), np.int64)
    earliest, latest = batch.start[first], batch.end[first]
    np.minimum.at(earliest, edge_of, batch.start)
    np.maximum.at(latest, edge_of, batch.end)
    numbers_of = {
        "protocol": list(map(_known, batch.proto[first].tolist())),
        "port": list(map(_known, batch.dest_port[first].tolist())),
        "interval": (batch.end[first] // interval_ms * interval_ms).tolist(),
        "flows": np.bincount(edge_of).tolist(),
        **{name: added(zeros, edge_of, getattr(batch, column)).tolist() for name, column in _SUMS.items()},
        "first": earliest.tolist(),
        "last": latest.tolist(),
        "example": [batch.ids[row] for row in first.tolist()],
    }
    for row in zip(*numbers_of.values(), strict=True):
        yield dict(zip(numbers_of, row, strict=True))


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


def _known(number: int) -> int | None:
    return None if number == MISSING else number


def added(zeros: Ints, kind_of: Ints, values: Ints) -> Ints:
    """The sums of values (n,) by kind; what is below 0 counts as nothing."""
    total = zeros.copy()
    np.add.at(total, kind_of, np.maximum(values, 0))
    return total
