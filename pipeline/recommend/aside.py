"""Traffic that becomes no rule, and why (DESIGN.md §6, 5 and 6)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.recommend.learned import EdgeKey, Seen
from pipeline.recommend.proposal import TCP, WITH_PORTS, ProposedRule
from pipeline.recommend.recommendation import Options, SetAside
from pipeline.recommend.widen import split_ports
from pipeline.recommend.words import hour_says, says


@dataclass(frozen=True, slots=True)
class Aside:
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


def weak(rule: ProposedRule, options: Options, *, is_young: bool) -> tuple[str | None, bool]:
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
    if max(started, active) < options.minimum_connections:
        return f"fewer than {options.minimum_connections} connections", True
    hours = {hour for seen in rule.seen.values() for hour in seen.hours}
    if len(hours) < options.minimum_hours and not is_young:
        return f"seen in fewer than {options.minimum_hours} hours: {hour_says(min(hours))} only", True
    return None, False


def ephemeral(edges: Mapping[EdgeKey, Seen]) -> Iterator[Aside]:
    """Ports of clients that look like a service's: many of one pair of workloads."""
    for keys in _alike(edges).values():
        if ports := split_ports(key.port for key in keys).ephemeral:
            own = tuple(key for key in keys if key.port in ports)
            why = f"{len(ports)} distinct ephemeral ports: they are not a service's"
            yield Aside(own, dict(edges), why, ports=f"{ports[0]}…{ports[-1]}")


def _alike(edges: Iterable[EdgeKey]) -> dict[tuple[object, ...], list[EdgeKey]]:
    """Edges that differ in their port only, by what they have in common."""
    found: dict[tuple[object, ...], list[EdgeKey]] = defaultdict(list)
    for key in edges:
        if key.protocol in WITH_PORTS:
            found[
                key.direction, key.workload, key.peer_type, key.peer_namespace, key.peer, key.protocol
            ].append(key)
    return found
