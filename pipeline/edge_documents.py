"""One observed edge ▸ what its documents say of it: the fields that tell them apart, and the figures."""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import orjson

from pipeline.observations import ObservedEdge, ObservedWorkload
from pipeline.who import PROTOCOL_WORDS
from pipeline.workload import workload_of

type Window = Literal["interval", "hour", "day"]
type Figures = dict[str, int]
type Workloads = dict[tuple[str, str, str], str]  # type, namespace and name of an edge's side ▸ its workload

NOTHING = "-"  # Calico's word for no namespace and no name
HOUR_MS = 3_600_000
_LENGTHS: dict[Window, int] = {"hour": HOUR_MS, "day": 24 * HOUR_MS}
_HOURS_A_WEEK = 168
_THURSDAY = 3 * 24  # the epoch's first hour, counted from Monday's
_JUDGED = frozenset(("allow", "deny", "unknown"))


class Side(NamedTuple):
    """One side of an edge under the names of flow logs."""

    type: str
    namespace: str
    name: str
    workload: str

    def __str__(self) -> str:
        """What the edge is told by: the workload in its namespace; of what is in none, its name."""
        return self.workload if self.namespace == NOTHING else f"{self.namespace}/{self.workload}"


def workloads_of(described: Iterable[ObservedWorkload]) -> Workloads:
    """The workloads behind the names of a message, as the labels that it has for them tell."""
    return {
        (each.type, each.namespace, each.name): workload_of(
            each.name, (f"{key}={value}" for key, value in each.labels.items())
        )
        for each in described
    }


def starts(interval: int) -> Iterator[tuple[Window, int]]:
    """The windows that a shortest one is in, with their starts in ms since the epoch."""
    yield "interval", interval
    for window, length in _LENGTHS.items():
        yield window, interval // length * length


def said_of(namespace: str, edge: ObservedEdge, workloads: Workloads) -> dict[str, Any]:
    """The fields of an edge that the documents of all its windows have."""
    local = _side(edge.workload_type, namespace, edge.workload, workloads)
    peer = _side(edge.peer_type, edge.peer_namespace, edge.peer, workloads)
    source, dest = (peer, local) if edge.reporter == "dst" else (local, peer)
    protocol = None if edge.protocol is None else PROTOCOL_WORDS.get(edge.protocol, str(edge.protocol))
    fields = {
        "reporter": edge.reporter,
        "action": edge.logged,
        "proto": protocol,
        **_named("source", source),
        **_named("dest", dest),
        "dest_port": edge.port,
        "dest_service_name": edge.service,
        "dest_service_namespace": edge.service_namespace,
        "dest_domains": edge.domains,
        "threats": edge.threats,
        "workload": str(local),
        "edge": digest(orjson.dumps((str(source), str(dest), protocol, edge.port)), 12),
        "counted": edge.reporter == "src" or (edge.reporter == "dst" and source.type != "wep"),
        "verdict": _verdict(namespace, edge),
    }
    return _filled(fields)


def addresses_of(edge: ObservedEdge) -> dict[str, str]:
    """The address of a peer that is no workload, which the shortest window tells."""
    side = "source" if edge.reporter == "dst" else "dest"
    return {f"{side}_ip": edge.peer_ip} if edge.peer_ip else {}


def figures_of(edge: ObservedEdge) -> Figures:
    """What adds up; bytes and packets by who sent them, the client being the source."""
    sent, received = ("in", "out") if edge.reporter == "dst" else ("out", "in")
    return {
        "flows": edge.flows,
        "connections": edge.started,
        "bytes_client": getattr(edge, f"bytes_{sent}"),
        "bytes_server": getattr(edge, f"bytes_{received}"),
        "packets_client": getattr(edge, f"packets_{sent}"),
        "packets_server": getattr(edge, f"packets_{received}"),
        "first": edge.first,
        "last": edge.last,
    }


def hour_of_week(ms: int) -> int:
    """The hour of the week of a time, from Monday's first on, UTC."""
    return (ms // HOUR_MS + _THURSDAY) % _HOURS_A_WEEK


def digest(text: bytes, size: int = 16) -> str:
    return blake2b(text, digest_size=size).hexdigest()


def _side(type_: str, namespace: str, name: str, workloads: Workloads) -> Side:
    namespace = namespace or NOTHING
    of_labels = "" if namespace == NOTHING else namespace
    known = workloads.get((type_, of_labels, name))
    workload = known or (workload_of(name, ()) if type_ == "wep" else name)
    return Side(type_, namespace, name or NOTHING, workload or NOTHING)


def _named(side: str, each: Side) -> dict[str, str]:
    return {
        f"{side}_type": each.type,
        f"{side}_namespace": each.namespace,
        f"{side}_name_aggr": each.name,
        f"{side}_workload": each.workload,
    }


def _verdict(namespace: str, edge: ObservedEdge) -> dict[str, Any]:
    enforced = {"action": edge.enforced, "tier": edge.enforced_tier, "policy": edge.enforced_policy}
    judged = {
        "enforced": _filled(enforced),
        "promoted": {"action": edge.promoted},
        "impact": edge.impact,
    }
    return _filled({
        "namespace": namespace,
        "direction": edge.direction,
        **(judged if edge.enforced in _JUDGED else {}),
        "staged_deny": edge.staged_deny,
        "staged_allow": edge.staged_allow,
        "staged_unknown": edge.staged_unknown,
        "unknown": edge.unknown,
        "unjudged": edge.unjudged,
        "agrees": edge.agrees,
    })  # fmt: skip


def _filled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, (), [])}
