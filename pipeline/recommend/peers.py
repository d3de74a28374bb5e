"""The other side of an edge as a rule names it, the narrowest way that lasts (DESIGN.md §6, 4)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

from pipeline.addresses import PRIVATE, networks_of
from pipeline.facts import Facts
from pipeline.policy.policies import Network, NetworkSet
from pipeline.recommend.learned import SEVERAL, EdgeKey, Learned
from pipeline.recommend.widen import nets_of, private
from pipeline.recommend.words import protocol_name
from pipeline.recommend.workloads import Inventory, Namespace

type PeerKind = Literal[
    "dns", "service", "workload", "namespace", "network_set", "host", "domain", "cidr", "private", "public"
]
KINDS: tuple[PeerKind, ...] = (
    "dns", "service", "workload", "namespace", "network_set", "host", "domain", "cidr", "private", "public"
)  # fmt: skip
type _Port = tuple[int | None, int | None]  # protocol and port

DNS_PORT = 53
DNS_LABEL = ("k8s-app", "kube-dns")
DNS_NAMESPACE = "kube-system"


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer of rules; `entity` is what stands under source or destination, `workloads` are those of
    the cluster that it is known to admit, as (namespace, name)."""

    kind: PeerKind
    namespace: str
    name: str
    entity: Mapping[str, Any] = field(compare=False, hash=False)
    workloads: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False, hash=False)
    more_addresses: int = field(default=0, compare=False, hash=False)
    widening: str | None = field(default=None, compare=False, hash=False)

    @property
    def order(self) -> tuple[int, str, str]:
        return KINDS.index(self.kind), self.namespace, self.name

    def __str__(self) -> str:
        kind = self.kind.replace("_", " ")
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}".strip()


class Peers:
    """Names the peers of one namespace's edges."""

    def __init__(
        self, namespace: str, learned: Learned, facts: Facts, sets: Iterable[NetworkSet], inventory: Inventory
    ) -> None:
        self._namespace = namespace
        self._learned = learned
        self._facts = facts
        self._sets = {(each.namespace, each.name): each for each in sets}
        self._nodes = inventory.nodes
        self.namespaces: dict[str, Namespace] = inventory.namespaces(learned)
        # Many edges have the same peer.
        self._workload = lru_cache(maxsize=None)(self._workload_of)
        self._served = lru_cache(maxsize=None)(self._served_by)

    def of(self, key: EdgeKey, *, domains: bool, whole_namespace: bool) -> Peer | None:
        """The peer of an edge; None where only addresses tell it (`of_addresses`)."""
        if service := self._service(key):
            return service
        if key.peer_type == "wep":
            return self._workload(key.peer_namespace, "" if whole_namespace else key.peer)
        if key.peer_type == "ns" and (found := self._network_set(key)):
            return found
        if key.peer_type == "hep":
            return self._hosts()
        if key.domains and domains and key.direction == "egress":
            return Peer("domain", "", ", ".join(key.domains), {"domains": list(key.domains)})
        return None

    @cached_property
    def dns(self) -> Peer:
        """The cluster's own DNS servers, which every egress policy lets through first."""
        entity = self._selector(DNS_NAMESPACE, "k8s-app == 'kube-dns'")
        known = self.namespaces.get(DNS_NAMESPACE)
        names = known.workloads.values() if known else ()
        found = frozenset((DNS_NAMESPACE, each.name) for each in names if DNS_LABEL in each.ever)
        return Peer("dns", DNS_NAMESPACE, "kube-dns", entity, found)

    def dns_clients(self) -> Peer:
        """All pods: whom the servers let in first, so that nobody is cut from names who never asked yet."""
        every = frozenset((ns, each) for ns, known in self.namespaces.items() for each in known.workloads)
        why = "DNS is for everyone: admits every pod of the cluster"
        return Peer("dns", "", "clients", {"namespaceSelector": "all()"}, every, 0, why)

    def serves_dns(self, workload: str) -> bool:
        """Whether a workload of this namespace is one of the cluster's own DNS servers."""
        return (self._namespace, workload) in self.dns.workloads

    def is_dns(self, key: EdgeKey) -> bool:
        """Whether an edge is what `dns` or `dns_clients` let through."""
        if key.port != DNS_PORT or key.protocol not in (6, 17):
            return False
        if key.direction == "ingress":
            return key.peer_type == "wep" and self.serves_dns(key.workload)
        return (key.peer_namespace, key.peer) in self.dns.workloads

    def of_addresses(self, keys: Iterable[EdgeKey], *, domains: bool) -> list[tuple[Peer, list[EdgeKey]]]:
        """Peers for edges of one protocol and port that only addresses tell, each with its own of them.

        A rule is of one IP version.
        """
        regions: dict[tuple[bool, int], list[EdgeKey]] = defaultdict(list)
        for key in keys:
            regions[_region_of(key)].append(key)
        return [(self._of_region(own, region[0], domains), own) for region, own in sorted(regions.items())]

    def _of_region(self, keys: list[EdgeKey], is_private: bool, domains: bool) -> Peer:
        named = [key for key in keys if not is_private and _resolved(key, domains)]
        told = [networks_of((key.peer_ip,)) for key in keys if key not in named]
        nets = sorted({net for each in told for net in each}, key=str)
        found = nets_of(nets)
        if named:
            return self._region(is_private, nets, "addresses behind a domain change")
        if any(key.peer_ip == SEVERAL for key in keys):
            return self._region(is_private, nets, "too many addresses were seen")
        if not all(told):
            return self._region(
                is_private, nets, "some addresses were not logged" if nets else "no addresses were logged"
            )
        if found is None:
            return self._region(is_private, nets, f"{len(nets):,} addresses far apart were seen")
        return self._cidr(nets, found.nets, found.more)

    def _service(self, key: EdgeKey) -> Peer | None:
        """Where the facts know that port and peer are the service's; no node matches services over SCTP."""
        if key.direction != "egress" or not key.service or key.protocol not in (6, 17):
            return None
        name = key.service_namespace, key.service
        addresses, ports = self._served(name)
        if not {(key.protocol, key.port), (None, None), (key.protocol, None)} & ports:
            return None
        own = self._addresses(key)
        if own and own.isdisjoint(addresses):
            return None
        return Peer("service", *name, {"services": {"name": key.service, "namespace": key.service_namespace}})

    def with_all_behind(self, service: Peer, keys: Iterable[EdgeKey]) -> Peer:
        """The peer of a service with every workload behind it, and what it admits beyond its edges."""
        seen = {(key.peer_namespace, key.peer) for key in keys if key.peer_type == "wep"}
        addresses, ports = self._served((service.namespace, service.name))
        known = self.namespaces.get(service.namespace, Namespace(())).workloads
        behind = {(service.namespace, each.name) for each in known.values() if each.addresses & addresses}
        others = sorted(f"workload {name}" for _, name in behind - seen)
        asked = {(key.protocol, key.port) for key in keys}
        own = {port for port in ports if port[0] is None or port[0] in {protocol for protocol, _ in asked}}
        others += sorted(_port_name(*port) for port in own - asked)
        why = f"admits all that the service has: {', '.join(others)} too" if others else None
        return replace(service, workloads=frozenset(behind | seen), widening=why)

    def unnamed(self, keys: Iterable[EdgeKey]) -> list[EdgeKey]:
        """Edges whose peer nobody can name: sets that the policies do not have, without an address."""
        return [
            key
            for key in keys
            if key.peer_type == "ns" and key.peer_ip in ("", SEVERAL) and self._network_set(key) is None
        ]

    def _served_by(self, service: tuple[str, str]) -> tuple[frozenset[Network], frozenset[_Port]]:
        """Addresses of a service, and its protocols and ports, by its slices."""
        slices = [version.fact for version in self._facts.slices(service)]
        addresses = frozenset(net for each in slices for net in networks_of(each.addresses))
        return addresses, frozenset(port for each in slices for port in each.ports)

    def _addresses(self, key: EdgeKey) -> set[Network]:
        """What is known of where a peer is."""
        if key.peer_type != "wep":
            return set(networks_of((key.peer_ip,)))
        known = self.namespaces.get(key.peer_namespace)
        workload = known.workloads.get(key.peer) if known else None
        return workload.addresses if workload else set()

    def _workload_of(self, namespace: str, name: str) -> Peer:
        """By the labels of a workload; "" = the whole namespace, as it also is where no label tells it."""
        known = self.namespaces.get(namespace)
        selected = known.selected(name) if known and name else None
        if selected is None:
            names = frozenset((namespace, each) for each in (known.workloads if known else (name,)))
            why = f"{name} has no label to tell it by: admits every workload of {namespace}" if name else None
            return Peer("namespace", "", namespace, self._selector(namespace, None), names, 0, why)
        names = frozenset((namespace, each) for each in (name, *selected.also))
        too = ", ".join(selected.also)
        alike = f"no label tells them apart: admits {too} too" if too else None
        first = min((name, *selected.also))
        return Peer("workload", namespace, first, self._selector(namespace, str(selected)), names, 0, alike)

    def _selector(self, namespace: str, selector: str | None) -> dict[str, str]:
        """An entity's selectors: without a namespace's a rule means its own (CALICO.md §3.1)."""
        if selector is None:
            return {"namespaceSelector": f"projectcalico.org/name == '{namespace}'"}
        if namespace == self._namespace:
            return {"selector": selector}
        return {"selector": selector, "namespaceSelector": f"projectcalico.org/name == '{namespace}'"}

    def _network_set(self, key: EdgeKey) -> Peer | None:
        """By the set's labels, where these tell it from all other sets; else by its nets."""
        found = self._sets.get((key.peer_namespace, key.peer))
        if found is None:
            return None
        scope = key.peer_namespace or "global()"
        others = [each for each in self._sets.values() if each is not found]
        for label, value in found.labels:
            alone = not any((label, value) in each.labels for each in others)
            if alone and not label.startswith("projectcalico.org/"):
                entity = self._selector(key.peer_namespace, f"{label} == '{value}'")
                if scope == "global()":
                    entity["namespaceSelector"] = scope
                return Peer("network_set", key.peer_namespace, key.peer, entity)
        nets = [str(net) for net in found.nets]
        why = "no label tells this network set from others: its nets of today"
        return (
            Peer("network_set", key.peer_namespace, key.peer, {"nets": nets}, frozenset(), 0, why)
            if nets
            else None
        )

    def _hosts(self) -> Peer:
        """Host endpoints as hosts: by a label that all of them have."""
        heps = [
            described.labels or {} for who, described in self._learned.workloads.items() if who.type == "hep"
        ]
        common = set.intersection(*(set(labels) for labels in heps)) if heps else set()
        selector = "has(kubernetes.io/hostname)" if "kubernetes.io/hostname" in common else "all()"
        why = "nodes come and go: admits every host endpoint of the cluster"
        if selector == "all()":
            why += ", and the addresses of every global network set"
        entity = {"selector": selector, "namespaceSelector": "global()"}
        return Peer("host", "", "endpoints of the nodes", entity, frozenset(), 0, why)

    def _cidr(self, seen: list[Network], nets: tuple[Network, ...], more: int) -> Peer:
        """Nets of addresses; where all are nodes' they are hosts."""
        hosts = all(net in self._nodes for net in seen)
        why = [f"admits {more:,} addresses that were not seen"] if more else []
        why += ["nodes come and go: their addresses of today"] if hosts else []
        texts = [str(net) for net in nets]
        name = "addresses of nodes" if hosts else ("private" if private(seen[0]) else "public")
        name += " IPv6" * (seen[0].version == 6)
        return Peer(
            "host" if hosts else "cidr", "", name, {"nets": texts}, frozenset(), more, "; ".join(why) or None
        )

    def _region(self, is_private: bool, seen: list[Network], told: str) -> Peer:
        nets = [str(net) for net in PRIVATE]
        size = sum(net.num_addresses for net in PRIVATE)
        if seen and seen[0].version == 6:
            why = f"{told}: admits all IPv6 addresses"
            return Peer(
                "public", "", "IPv6 addresses", {"nets": ["::/0"]}, frozenset(), 2**128 - len(seen), why
            )
        if is_private:
            why = f"{told}: admits all {size - len(seen):,} private ones"
            return Peer("private", "", "addresses", {"nets": nets}, frozenset(), size - len(seen), why)
        more = 2**32 - size - len(seen)
        why = f"{told}: admits all {more:,} public IPv4 addresses, and none of IPv6"
        return Peer("public", "", "addresses", {"notNets": nets}, frozenset(), more, why)


def _port_name(protocol: int | None, port: int | None) -> str:
    name = "any protocol" if protocol is None else protocol_name(protocol)
    return f"{name}/{'any port' if port is None else port}"


def _resolved(key: EdgeKey, domains: bool) -> bool:
    """Whether addresses of today say little: a name stands for them that no rule can hold."""
    return bool(key.domains) and not domains and key.direction == "egress"


def _region_of(key: EdgeKey) -> tuple[bool, int]:
    """Whether an edge is of private addresses, and of which IP version; a peer of which no address is
    known says by its name."""
    known = networks_of((key.peer_ip,))
    return (private(known[0]), known[0].version) if known else (key.peer == "pvt", 4)
