"""Edges ▸ rules: one for each peer, protocol and range of ports, where no policy before allows them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from pipeline.match.verdict import Decision
from pipeline.policy.policies import Direction
from pipeline.recommend.existing import Existing
from pipeline.recommend.learned import NONE, EdgeKey, Seen
from pipeline.recommend.peers import Peer, Peers
from pipeline.recommend.proposal import ICMP, TCP, UDP, WITH_PORTS, ProposedRule
from pipeline.recommend.recommendation import Mode, Options
from pipeline.recommend.widen import Ports, ranges_of


class Rules:
    """The rules for the edges of one namespace; `decisions` are what the policies before say of each."""

    def __init__(
        self,
        namespace: str,
        peers: Peers,
        existing: Existing,
        decisions: Mapping[EdgeKey, Decision | None],
        options: Options,
    ) -> None:
        self._namespace = namespace
        self._peers = peers
        self._existing = existing
        self._decisions = decisions
        self._options = options

    def of(
        self, left: Mapping[EdgeKey, Seen], direction: Direction, mode: Mode, serves_dns: bool
    ) -> Iterator[ProposedRule]:
        edges = {key: seen for key, seen in left.items() if key.direction == direction}
        dns = {key: seen for key, seen in edges.items() if self._peers.is_dns(key)}
        if direction == "egress" or serves_dns:
            peer = self._peers.dns if direction == "egress" else self._peers.dns_clients()
            for protocol in (UDP, TCP):
                own = {key: seen for key, seen in dns.items() if key.protocol == protocol}
                yield ProposedRule(direction, "Allow", protocol, Ports(53, 53), peer, own)
        rest = {key: seen for key, seen in edges.items() if key not in dns and self._reaches(key)}
        yield from sorted(self._of_edges(rest, direction, mode), key=lambda rule: rule.order)

    def _reaches(self, key: EdgeKey) -> bool:
        """Whether an edge reaches our place at all: no policy before it allows it."""
        return self._existing.standing(self._decisions.get(key)) != "earlier"

    def _of_edges(
        self, edges: Mapping[EdgeKey, Seen], direction: Direction, mode: Mode
    ) -> Iterator[ProposedRule]:
        """Rules for edges: one for each peer, protocol and range of ports."""
        by_peer: dict[tuple[Peer, int], dict[EdgeKey, Seen]] = defaultdict(dict)
        addresses: dict[tuple[int, int], dict[EdgeKey, Seen]] = defaultdict(dict)
        domains, whole = self._options.domains, mode == "namespace"
        for key, seen in edges.items():
            if peer := self._peers.of(key, domains=domains, whole_namespace=whole):
                by_peer[peer, key.protocol][key] = seen
            else:
                addresses[key.protocol, key.port][key] = seen
        for (protocol, port), own in addresses.items():
            for peer, keys in self._peers.of_addresses(own, domains=domains):
                part = {key: own[key] for key in keys}
                yield self._rule(direction, protocol, _ports(protocol, port), peer, part)
        for (peer, protocol), own in by_peer.items():
            yield from self._of_peer(direction, peer, protocol, own)

    def _of_peer(
        self, direction: Direction, peer: Peer, protocol: int, own: Mapping[EdgeKey, Seen]
    ) -> Iterator[ProposedRule]:
        if peer.kind == "service":
            yield self._rule(direction, protocol, None, self._peers.with_all_behind(peer, own), own)
        elif protocol in WITH_PORTS:
            if unknown := {key: seen for key, seen in own.items() if key.port == NONE}:
                yield self._rule(direction, protocol, None, peer, unknown)
            for ports in ranges_of(key.port for key in own if key.port != NONE):
                part = {key: seen for key, seen in own.items() if ports.first <= key.port <= ports.last}
                yield self._rule(direction, protocol, ports, peer, part)
        else:
            for port in sorted({key.port for key in own}):
                part = {key: seen for key, seen in own.items() if key.port == port}
                yield self._rule(direction, protocol, _ports(protocol, port), peer, part)

    def _rule(
        self,
        direction: Direction,
        protocol: int,
        ports: Ports | None,
        peer: Peer,
        seen: Mapping[EdgeKey, Seen],
    ) -> ProposedRule:
        inside = bool(peer.workloads) and all(ns == self._namespace for ns, _ in peer.workloads)
        passed = inside and self._options.intra_namespace == "pass"
        later = all(self._existing.standing(self._decisions.get(key)) == "later" for key in seen)
        return ProposedRule(direction, "Pass" if passed or later else "Allow", protocol, ports, peer, seen)


def _ports(protocol: int, port: int) -> Ports | None:
    known = port != NONE and protocol in (*WITH_PORTS, *ICMP)
    return Ports(port, port) if known else None
