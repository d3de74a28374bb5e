"""What the cluster was, and when: facts with lifetimes, found by name, prefix, address and node."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf
from sys import intern
from typing import Any, Self

from pipeline.addresses import network_of
from pipeline.policy.facts_resources import (
    EndpointSlice,
    Fact,
    HostEndpoint,
    Namespace,
    Pod,
    ServiceAccount,
)
from pipeline.policy.policies import Network


@dataclass(slots=True, eq=False)
class Version[F]:
    """A fact as it was in [since, until), epoch seconds."""

    fact: F
    since: float = -inf
    until: float = inf


def alive[F](versions: Iterable[Version[F]], start: float, end: float) -> list[Version[F]]:
    """Those that held at some time in [start, end]."""
    return [version for version in versions if version.since <= end and version.until > start]


class Timeline[K: Hashable, F]:
    """The versions of facts under one kind of key."""

    def __init__(self) -> None:
        self._versions: dict[K, list[Version[F]]] = {}

    def alive(self, key: K, start: float = -inf, end: float = inf) -> list[Version[F]]:
        """The versions under a key that held at some time in [start, end], in order of arrival."""
        return alive(self._versions.get(key, ()), start, end)

    def add(self, key: K, version: Version[F]) -> None:
        self._versions.setdefault(key, []).append(version)

    def drop(self, key: K, gone: set[Version[F]]) -> None:
        left = [version for version in self._versions.get(key, ()) if version not in gone]
        if left:
            self._versions[key] = left
        else:
            self._versions.pop(key, None)

    def __iter__(self) -> Iterator[Version[F]]:
        return (version for versions in self._versions.values() for version in versions)


def fact_key(fact: Fact) -> str:
    """What names a fact: `Kind/namespace/name`, of a pod also its uid, so that a name that is used
    again (a StatefulSet's) keeps the history of the pod before it."""
    match fact:
        case Pod():
            return f"Pod/{fact.namespace}/{fact.name}/{fact.uid}"
        case Namespace() | HostEndpoint():
            return f"{type(fact).__name__}//{fact.name}"
        case ServiceAccount() | EndpointSlice():
            return f"{type(fact).__name__}/{fact.namespace}/{fact.name}"


class Facts:
    """Namespaces, service accounts, pods, host endpoints and endpoint slices through time.

    Times are epoch seconds. What ended is kept for `retention` seconds (`expire`). Not safe to
    change in one thread while another resolves: apply changes between batches.
    """

    def __init__(self, retention: float = inf) -> None:
        self._retention = retention
        self.namespaces: Timeline[str, Namespace] = Timeline()
        self.service_accounts: Timeline[tuple[str, str], ServiceAccount] = Timeline()
        self._pods: Timeline[tuple[str, str], Pod] = Timeline()
        self._pods_by_prefix: Timeline[tuple[str, str], Pod] = Timeline()
        self._pods_by_address: Timeline[str, Pod] = Timeline()
        self._host_endpoints: Timeline[str, HostEndpoint] = Timeline()
        self._host_endpoints_by_node: Timeline[str, HostEndpoint] = Timeline()
        self._slices: Timeline[tuple[str, str], EndpointSlice] = Timeline()
        self._slices_by_service: Timeline[tuple[str, str], EndpointSlice] = Timeline()
        self._addresses: dict[str, set[Network]] = {}
        self._ended: list[Version[Any]] = []
        self._stamps: Counter[str] = Counter()
        self._shared: dict[Hashable, Any] = {}

    @classmethod
    def from_resources(cls, resources: Iterable[Fact], retention: float = inf) -> Self:
        """The facts of one listing, taken as having been so since their creation or ever."""
        facts = cls(retention)
        for resource in resources:
            facts.put(resource, -inf)
        return facts

    def put(self, resource: Fact, at: float) -> None:
        """A fact as it is from `at` on; one first heard of has been so since it was created,
        or since ever. What a pod gets once and keeps (addresses, node) holds for its whole life."""
        same = [v for v in self._named(resource) if fact_key(v.fact) == fact_key(resource)]
        until = _deleted(resource)
        current = max(same, key=lambda v: v.since, default=None)
        if current and current.until > at and continues(current.fact, resource):
            self.remember(resource, current.since, min(until, current.until))
        else:
            first = not same and not (_created(resource) == -inf and self._named(resource))
            self.remember(resource, _created(resource) if first else at, until)

    def remember(self, resource: Fact, since: float, until: float) -> None:
        """A fact with its lifetime: the newest word about it, so it ends what it was before and
        replaces what began no earlier. What is known already changes nothing."""
        key, replaced, named = fact_key(resource), [], self._named(resource)
        if any((v.since, v.until, v.fact) == (since, until, resource) for v in named):
            return
        for version in named:
            if version.since < since:
                self._end(version, since)
            elif fact_key(version.fact) == key:
                replaced.append(version)
        self._drop(replaced)
        version = Version(self._share(resource), since, until)
        for timeline, place in self._places(version.fact):
            timeline.add(place, version)
        self._know_addresses(version.fact)
        if until < inf:
            self._ended.append(version)
        self._stamps[_scope(resource)] += 1

    def remove(self, key: str, at: float) -> None:
        """End the fact of this key (`fact_key`) at a time; one that ended before stays as it is."""
        kind, namespace, name, *_ = key.split("/")
        for version in self._by_key(kind, namespace, name):
            if fact_key(version.fact) == key:
                self._end(version, at)

    def expire(self, now: float) -> None:
        """Forget what ended more than the retention before `now` (epoch seconds)."""
        gone = [version for version in self._ended if version.until < now - self._retention]
        if gone:
            self._ended = [version for version in self._ended if version.until >= now - self._retention]
            self._drop(gone)
            self._shared.clear()
            self._addresses.clear()
            for timeline in (self._pods, self._host_endpoints):
                for version in timeline:
                    self._know_addresses(version.fact)

    def pods(self) -> Iterator[Version[Pod]]:
        """Every pod with an address of its own, alive or within the retention."""
        return (version for version in self._pods if not version.fact.host_network)

    def hosts(self) -> Iterator[HostEndpoint]:
        """The host endpoints that have not ended."""
        return (version.fact for version in self._host_endpoints if version.until == inf)

    def nodes(self) -> frozenset[Network]:
        """Every address of any node that is known."""
        return frozenset(net for nets in self._addresses.values() for net in nets)

    def pods_named(
        self, namespace: str, name: str, start: float = -inf, end: float = inf
    ) -> list[Version[Pod]]:
        return self._pods.alive((namespace, name), start, end)

    def pods_with_prefix(
        self, namespace: str, prefix: str, start: float = -inf, end: float = inf
    ) -> list[Version[Pod]]:
        """Pods whose names were generated from `prefix`: what `prefix*` stands for in a flow log."""
        return self._pods_by_prefix.alive((namespace, prefix), start, end)

    def pods_at(self, address: str, start: float = -inf, end: float = inf) -> list[Version[Pod]]:
        """Pods with an address of their own; pods in the host's network have none."""
        return self._pods_by_address.alive(address, start, end)

    def host_endpoints(
        self, name: str, node: str, start: float = -inf, end: float = inf
    ) -> list[Version[HostEndpoint]]:
        """Host endpoints by name or, where the name is "", those of a node."""
        if name:
            return self._host_endpoints.alive(name, start, end)
        return self._host_endpoints_by_node.alive(node, start, end)

    def host_addresses(self, node: str) -> frozenset[Network]:
        """Every address of a node that its pods and host endpoints told of; empty = not known."""
        return frozenset(self._addresses.get(node, ()))

    def slices(
        self, service: tuple[str, str], start: float = -inf, end: float = inf
    ) -> list[Version[EndpointSlice]]:
        """Slices of a service (namespace, name)."""
        return self._slices_by_service.alive(service, start, end)

    def stamp(self, namespace: str) -> int:
        """Changes whenever a fact of a namespace does; "" for host endpoints."""
        return self._stamps[namespace]

    def _named(self, fact: Fact) -> list[Version[Any]]:
        return self._by_key(type(fact).__name__, getattr(fact, "namespace", ""), fact.name)

    def _by_key(self, kind: str, namespace: str, name: str) -> list[Version[Any]]:
        match kind:
            case "Pod":
                return list(self._pods.alive((namespace, name)))
            case "Namespace":
                return list(self.namespaces.alive(name))
            case "ServiceAccount":
                return list(self.service_accounts.alive((namespace, name)))
            case "HostEndpoint":
                return list(self._host_endpoints.alive(name))
            case _:
                return list(self._slices.alive((namespace, name)))

    def _places(self, fact: Fact) -> list[tuple[Timeline[Any, Any], Hashable]]:
        match fact:
            case Namespace():
                return [(self.namespaces, fact.name)]
            case ServiceAccount():
                return [(self.service_accounts, (fact.namespace, fact.name))]
            case HostEndpoint():
                return [(self._host_endpoints, fact.name), (self._host_endpoints_by_node, fact.node)]
            case EndpointSlice():
                service = (fact.namespace, fact.service)
                return [(self._slices, (fact.namespace, fact.name)), (self._slices_by_service, service)]
            case Pod():
                places: list[tuple[Timeline[Any, Any], Hashable]] = [
                    (self._pods, (fact.namespace, fact.name))
                ]
                if not fact.host_network:  # such a pod is no workload endpoint: flow logs never name it
                    if fact.generate_name:
                        places.append((self._pods_by_prefix, (fact.namespace, fact.generate_name)))
                    places += [(self._pods_by_address, ip) for ip in fact.ips]
                return places

    def _end(self, version: Version[Any], at: float) -> None:
        if version.until > at:
            version.until = at
            self._ended.append(version)
            self._stamps[_scope(version.fact)] += 1

    def _drop(self, versions: Iterable[Version[Any]]) -> None:
        gone = set(versions)
        for timeline, place in {place for version in gone for place in self._places(version.fact)}:
            timeline.drop(place, gone)
        for version in gone:
            self._stamps[_scope(version.fact)] += 1

    def _know_addresses(self, fact: Fact) -> None:
        match fact:
            case Pod(node=node, host_ips=ips) | HostEndpoint(node=node, ips=ips) if node and ips:
                self._addresses.setdefault(node, set()).update(net for net in map(network_of, ips) if net)

    def _share(self, fact: Fact) -> Any:
        """The fact with what many have in common held once: 100,000 pods have few distinct labels."""
        if isinstance(fact, Pod):
            return replace(
                fact,
                namespace=intern(fact.namespace),
                node=intern(fact.node),
                generate_name=intern(fact.generate_name),
                service_account=intern(fact.service_account),
                host_ips=self._shared.setdefault(fact.host_ips, fact.host_ips),
                ports=self._shared.setdefault(fact.ports, fact.ports),
                labels=self._shared.setdefault(("labels", *sorted(fact.labels.items())), fact.labels),
            )
        return fact


def _scope(fact: Fact) -> str:
    match fact:
        case Namespace():
            return fact.name
        case HostEndpoint():
            return ""
        case _:
            return fact.namespace


def _created(fact: Fact) -> float:
    return fact.created if isinstance(fact, Pod) and fact.created is not None else -inf


def _deleted(fact: Fact) -> float:
    return fact.deleted if isinstance(fact, Pod) and fact.deleted is not None else inf


def continues(old: Fact, new: Fact) -> bool:
    """Whether a fact is as before, but for what a pod gets once in its life and what ends it: then
    it has been so since the old one was."""
    if isinstance(old, Pod) and isinstance(new, Pod):
        old = replace(
            old,
            ips=old.ips or new.ips,
            node=old.node or new.node,
            host_ips=old.host_ips or new.host_ips,
            created=new.created,
            deleted=new.deleted,
        )
    return old == new
