"""What is known of a namespace ▸ proposals: a policy a workload, or one for all, with a rule an edge."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from pipeline.match.verdict import Decision
from pipeline.observe import HOUR_MS
from pipeline.policy.policies import Direction
from pipeline.recommend.existing import Existing
from pipeline.recommend.labels import is_name
from pipeline.recommend.learn import HOURS_A_DAY
from pipeline.recommend.learned import NONE, EdgeKey, Learned, Seen
from pipeline.recommend.peers import Peer, Peers
from pipeline.recommend.recommendation import Mode, Options, SetAside
from pipeline.recommend.widen import Ports, ranges_of, split_ports
from pipeline.recommend.workloads import Namespace

DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
WITH_PORTS = (6, 17, 132)
ICMP = (1, 58)
TCP, UDP = 6, 17
SUFFIX = "-learned"

type RuleAction = Literal["Allow", "Pass", "Deny"]


@dataclass(frozen=True, slots=True)
class ProposedRule:
    """One rule, with the edges that it is there for; none for what stands for itself."""

    direction: Direction
    action: RuleAction
    protocol: int  # NONE = any
    ports: Ports | None  # of ICMP: type and code as the record has them; None = any
    peer: Peer | None  # None = anyone
    seen: Mapping[EdgeKey, Seen] = field(default_factory=dict)

    @property
    def order(self) -> tuple[object, ...]:
        ports = (self.ports.first, self.ports.last) if self.ports else (NONE, NONE)
        return *(self.peer.order if self.peer else (99, "", "")), self.protocol, ports


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy before it is written down; `selector` None = the whole namespace."""

    namespace: str
    name: str
    mode: Mode
    workloads: tuple[str, ...]
    selector: str | None
    types: tuple[Direction, ...]
    rules: tuple[ProposedRule, ...]
    tier: str
    order: float
    edges: Mapping[EdgeKey, Seen]  # of its workloads, in the directions that it governs
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    tightens: str | None = None


@dataclass(frozen=True, slots=True)
class _Group:
    """Workloads that one selector selects."""

    name: str
    workloads: tuple[str, ...]
    selector: str | None


@dataclass(frozen=True, slots=True)
class _Aside:
    """Edges that become no rule; some may yet, should they come again."""

    edges: tuple[EdgeKey, ...]
    seen: Mapping[EdgeKey, Seen]
    reason: str
    may_come_again: bool = False
    ports: str = ""

    @property
    def told(self) -> SetAside:
        more = f" and {len(self.edges) - 1} more" if len(self.edges) > 1 and not self.ports else ""
        connections = sum(self.seen[key].active for key in self.edges)
        return SetAside(says(self.edges[0], self.ports) + more, self.reason, connections)


class Proposer:
    """Proposes for one namespace; `decisions` are what the policies in force say of each edge."""

    def __init__(
        self,
        namespace: str,
        peers: Peers,
        existing: Existing,
        decisions: Mapping[EdgeKey, Decision | None],
        options: Options,
    ) -> None:
        self._namespace = namespace
        self._own = peers.namespaces.get(namespace, Namespace(()))
        self._peers = peers
        self._existing = existing
        self._decisions = decisions
        self._options = options
        self._is_young = False

    def propose(self, learned: Learned, mode: Mode) -> list[Proposal]:
        """The proposals from what was learned, by name."""
        by_workload: dict[str, dict[EdgeKey, Seen]] = defaultdict(dict)
        for key in sorted(learned.edges):
            by_workload[key.workload][key] = learned.edges[key]
        self._is_young = len(learned.hours()) < HOURS_A_DAY
        groups = self._groups(by_workload) if mode == "workload" else self._everyone(by_workload)
        proposals: list[Proposal] = []
        for group in groups:
            edges = {key: seen for name in group.workloads for key, seen in by_workload[name].items()}
            proposals += self._of_group(group, edges, mode)
        return proposals

    def unselectable(self, learned: Learned) -> list[str]:
        """Workloads that no label tells, so that a policy of their own cannot be."""
        names = {key.workload for key in learned.edges}
        return sorted(name for name in names if self._own.selected(name) is None)

    def _groups(self, names: Iterable[str]) -> Iterator[_Group]:
        """The workloads to propose for; those that no label tells apart are together."""
        found = {name: selected for name in names if (selected := self._own.selected(name))}
        done: set[str] = set()
        # Who selects most others first: a policy for one of these alone would add nothing to theirs.
        for name in sorted(found, key=lambda each: (-len(found[each].also), each)):
            if name not in done:
                pairs, together = set(found[name].pairs), {name, *found[name].also}
                new = {each for each in together if pairs <= self._own.stable(each)} - done
                done |= new
                yield _Group(min(filter(is_name, new)), tuple(sorted(together)), str(found[name]))

    def _everyone(self, names: Iterable[str]) -> Iterator[_Group]:
        everyone = tuple(sorted({*names, *self._own.workloads}))
        yield _Group(self._namespace, everyone, None)

    def _of_group(self, group: _Group, edges: Mapping[EdgeKey, Seen], mode: Mode) -> Iterator[Proposal]:
        members = [self._own.workloads[name] for name in group.workloads if name in self._own.workloads]
        isolated = [d for d in DIRECTIONS if members and all(self._existing.isolates(m, d) for m in members)]
        types = tuple(direction for direction in DIRECTIONS if direction not in isolated)
        if types:
            yield self._proposal(group, edges, types, mode)
        if self._options.tighten and mode == "workload":
            yield from self._tightened(group, edges, isolated)

    def _proposal(
        self, group: _Group, edges: Mapping[EdgeKey, Seen], types: Sequence[Direction], mode: Mode
    ) -> Proposal:
        own = {key: seen for key, seen in edges.items() if key.direction in types}
        rules, set_aside = self._kept(group, own, types, mode)
        gone = {key for aside in set_aside if not aside.may_come_again for key in aside.edges}
        return Proposal(
            self._namespace,
            group.name + SUFFIX,
            mode,
            group.workloads,
            group.selector,
            tuple(types),
            tuple(rules),
            self._options.tier,
            self._options.order,
            {key: seen for key, seen in own.items() if key not in gone},
            tuple(aside.told for aside in set_aside),
            tuple(self._warnings(group, own, types)),
        )

    def _warnings(
        self, group: _Group, edges: Mapping[EdgeKey, Seen], types: Sequence[Direction]
    ) -> Iterator[str]:
        if len(group.workloads) > 1 and group.selector:
            yield f"no label tells {', '.join(group.workloads)} apart: one policy for all of them"
        for direction in types:
            if not any(key.direction == direction for key in edges):
                but = " but DNS" if direction == "egress" else ""
                yield f"no {direction} was seen: enforced, it would allow none{but}"

    def _kept(
        self, group: _Group, edges: Mapping[EdgeKey, Seen], types: Sequence[Direction], mode: Mode
    ) -> tuple[list[ProposedRule], list[_Aside]]:
        """The rules that the evidence is enough for, and what is set aside (DESIGN.md §6, 5 and 6)."""
        left = dict(edges)
        rules, set_aside = [], list(_ephemeral(left))
        for aside in set_aside:
            for key in aside.edges:
                del left[key]
        serves = any(self._peers.serves_dns(name) for name in group.workloads)
        for rule in (rule for direction in types for rule in self._rules(left, direction, mode, serves)):
            reason, may_come_again = self._weak(rule)
            if reason:
                set_aside.append(_Aside(tuple(rule.seen), left, reason, may_come_again))
            else:
                rules.append(rule)
        return rules, set_aside

    def _weak(self, rule: ProposedRule) -> tuple[str | None, bool]:
        """Why a rule's traffic is not enough for it, and whether it may be once it comes again."""
        if not rule.seen or (rule.peer and rule.peer.kind == "dns"):
            return None, False
        started = sum(seen.started for seen in rule.seen.values())
        active = sum(seen.active for seen in rule.seen.values())
        answers, size = (sum(getattr(s, name) for s in rule.seen.values()) for name in ("answers", "bytes"))
        if rule.protocol == TCP and size and not answers:
            return "nobody ever answered: denied at the other side, or nothing listens there", False
        if active and not started:
            return "no connection was seen to start: who is the client is not known", False
        if max(started, active) < self._options.minimum_connections:
            return f"fewer than {self._options.minimum_connections} connections", True
        hours = {hour for seen in rule.seen.values() for hour in seen.hours}
        if len(hours) < self._options.minimum_hours and not self._is_young:
            return f"seen in fewer than {self._options.minimum_hours} hours: {_hour(min(hours))} only", True
        return None, False

    def _rules(
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
            yield self._rule(direction, protocol, None, peer, own)
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

    def _tightened(
        self, group: _Group, edges: Mapping[EdgeKey, Seen], isolated: Iterable[Direction]
    ) -> Iterator[Proposal]:
        """Proposals inside an allow that is wider than what is used (DESIGN.md §6, 9)."""
        for direction in isolated:
            own = {key: seen for key, seen in edges.items() if key.direction == direction}
            first = self._existing.first_wide((self._decisions.get(key) for key in own), direction)
            if first is None:
                continue
            order = 1_000.0 if first.order is None else first.order
            place = replace(self._options, tier=first.tier, order=order - 1)
            inner = Proposer(self._namespace, self._peers, self._existing, {}, place)
            inner._is_young = self._is_young
            proposal = inner._proposal(group, own, (direction,), "workload")
            rest = ProposedRule(direction, "Deny", NONE, None, None)
            yield replace(
                proposal,
                name=f"{group.name}-{direction}-tightened",
                rules=(*proposal.rules, rest),
                tightens=str(first.key),
            )


def _ephemeral(edges: Mapping[EdgeKey, Seen]) -> Iterator[_Aside]:
    """Ports of clients that look like a service's: many of one pair of workloads."""
    for keys in _alike(edges).values():
        if ports := split_ports(key.port for key in keys).ephemeral:
            own = tuple(key for key in keys if key.port in ports)
            why = f"{len(ports)} distinct ephemeral ports: they are not a service's"
            yield _Aside(own, dict(edges), why, ports=f"{ports[0]}…{ports[-1]}")


def _alike(edges: Iterable[EdgeKey]) -> dict[tuple[object, ...], list[EdgeKey]]:
    """Edges that differ in their port only, by what they have in common."""
    found: dict[tuple[object, ...], list[EdgeKey]] = defaultdict(list)
    for key in edges:
        if key.protocol in WITH_PORTS:
            found[
                key.direction, key.workload, key.peer_type, key.peer_namespace, key.peer, key.protocol
            ].append(key)
    return found


def _ports(protocol: int, port: int) -> Ports | None:
    known = port != NONE and protocol in (*WITH_PORTS, *ICMP)
    return Ports(port, port) if known else None


_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}


def protocol_name(protocol: int) -> str:
    """As flow logs write it."""
    return _PROTOCOLS.get(protocol, "any" if protocol == NONE else str(protocol))


def says(key: EdgeKey, ports: str = "") -> str:
    """An edge in words: `frontend → tcp/7070 online-boutique/cartservice`."""
    port = ports or ("" if key.port == NONE else str(key.port))
    arrow = "→" if key.direction == "egress" else "←"
    service = f"{protocol_name(key.protocol)}{'/' * bool(port)}{port}"
    return f"{key.workload} {arrow} {service} {_peer_name(key)}"


def _hour(hour: int) -> str:
    return datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC).strftime("%Y-%m-%d %H:00 UTC")


def _peer_name(key: EdgeKey) -> str:
    name = f"{key.peer_namespace}/{key.peer}" if key.peer_namespace else key.peer
    address = f" {key.peer_ip}" if key.peer_ip else ""
    names = f" ({', '.join(key.domains)})" if key.domains else ""
    return f"{name}{address}{names}"
