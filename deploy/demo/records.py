"""Edges become lines of the nodes' flow logs, aggregated as Calico aggregates them (CALICO.md §6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import orjson

from deploy.demo.dealt import Counts, Dealt
from deploy.demo.edges import Edge
from deploy.demo.ends import End, all_of, one
from deploy.demo.logged import Judge, Logged

type Reporter = Literal["src", "dst"]

_TIMES = b'{"start_time":%d,"end_time":%d'
_LINE = (
    b'%b,"num_flows":%d,"num_flows_started":%d,"num_flows_completed":%d,'
    b'"bytes_in":%d,"bytes_out":%d,"packets_in":%d,"packets_out":%d,%b}\n'
)
_ENDS = b'"source_port":%b,%b,%b,%b'
_PACKET = 1_200  # bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """One interval of an edge: seconds since the epoch, and the bytes that a connection sent and received.

    `opens`, `closes`: whether connections begin, and whether they end, in this interval.
    """

    start: int
    end: int
    sent: int
    received: int
    opens: bool = True
    closes: bool = True


class Side:
    """What the nodes of one reporter write of an edge.

    Denied connections are written one by one; allowed ones by names and addresses on
    `verbose_node`, and elsewhere by aggregated names.
    """

    def __init__(self, edge: Edge, reporter: Reporter, logged: Logged, verbose_node: str) -> None:
        own, peer = ("source", "dest") if reporter == "src" else ("dest", "source")
        owns, peers = (edge.sources, edge.dests) if reporter == "src" else (edge.dests, edge.sources)
        self.reporter = reporter
        self.denied = logged.action == "deny"
        self._verbose = [end.node is not None and end.node.name == verbose_node for end in owns]
        self._tails = [_tail(edge, reporter, logged, end) for end in owns]
        self._owns = [one(end, own) for end in owns]
        self._peers = [one(end, peer) for end in peers]
        together = all_of(peers, peer)
        self._aggregated = [
            _ENDS % (b"null", all_of([end], own), together, tail)
            for end, tail in zip(owns, self._tails, strict=True)
        ]

    def lines(self, dealt: Dealt, tick: Tick, ports: Iterator[int]) -> list[bytes]:
        """An interval's records, a line each; `ports`: source ports of connections to come."""
        lines: list[bytes] = []
        times = _TIMES % (tick.start, tick.end)
        totals = dealt.per_source if self.reporter == "src" else dealt.per_dest
        for own, total in enumerate(totals.tolist()):
            if total and (self.denied or self._verbose[own]):
                counts = dealt.of_source(own) if self.reporter == "src" else dealt.of_dest(own)
                lines += (self._line(times, tick, *told) for told in self._in_full(own, counts, ports))
            elif total:
                lines.append(self._line(times, tick, total, self._aggregated[own]))
        return lines

    def _in_full(self, own: int, counts: Counts, ports: Iterator[int]) -> Iterator[tuple[int, bytes]]:
        """Connections with each peer, and the ends that they are between."""
        for peer in np.flatnonzero(counts).tolist():
            ends = (self._owns[own], self._peers[peer], self._tails[own])
            if self.denied:
                for port in islice(ports, int(counts[peer])):
                    yield 1, _ENDS % (b"%d" % port, *ends)
            else:
                yield int(counts[peer]), _ENDS % (b"null", *ends)

    def _line(self, times: bytes, tick: Tick, count: int, ends: bytes) -> bytes:
        sent, received = count * tick.sent, count * tick.received
        packets_sent, packets_received = _packets(sent, count), _packets(received, count)
        if self.reporter == "src":  # in and out are as the reporter's end sees them
            counters = (received, sent, packets_received, packets_sent)
        else:
            counters = (sent, received, packets_sent, packets_received)
        return _LINE % (times, count, count * tick.opens, count * tick.closes, *counters, ends)


def sides(edge: Edge, judge: Judge, verbose_node: str) -> list[Side]:
    """The sides that write an edge down; the destination never hears of what was denied at the source."""
    egress = judge(edge, "egress")
    written = [] if egress is None else [Side(edge, "src", egress, verbose_node)]
    if egress is not None and egress.action == "deny":
        return written
    ingress = judge(edge, "ingress")
    return written if ingress is None else [*written, Side(edge, "dst", ingress, verbose_node)]


def _packets(size: int, count: int) -> int:
    return (3 * count + size // _PACKET) if size else 0


def _tail(edge: Edge, reporter: Reporter, logged: Logged, own: End) -> bytes:
    """What all records of an edge at one end share. The service is known where it was translated."""
    assert own.node is not None
    service = edge.service if reporter == "src" else None
    workload, port = service or (None, None)
    public = edge.dests[0].type == "net"
    members = {
        "dest_port": edge.talk.port,
        "proto": edge.talk.protocol,
        "action": logged.action,
        "reporter": reporter,
        "dest_service_namespace": workload.namespace if workload else "-",
        "dest_service_name": workload.service if workload else "-",
        "dest_service_port": port.name if port else "-",
        "dest_service_port_num": (port.service_port or port.number) if port else None,
        "dest_domains": _domains(edge.dests) if public else None,
        "host": own.node.name,
        "policies": orjson.Fragment(logged.policies),
    }
    return orjson.dumps(members)[1:-1]


def _domains(ends: Sequence[End]) -> list[str]:
    return sorted({domain for end in ends for domain in end.domains})
