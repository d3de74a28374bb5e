"""Kubernetes policies as manifests ▸ plain policies, as Calico converts them (CALICO.md §3.2)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from pipeline.policy import schema_kubernetes as kubernetes
from pipeline.policy.convert import DIRECTIONS, NAMESPACE, global_policy_selector, in_namespaces
from pipeline.policy.policies import (
    ANY_ENTITY,
    Action,
    Direction,
    EntityMatch,
    Policy,
    PolicyKey,
    Rule,
)
from pipeline.policy.schema_fields import PROTOCOLS
from pipeline.policy.selector import Selector, all_of, has, label_equals, label_in, label_not_in, negate

ORDER = 1000.0
IS_POD = label_equals("projectcalico.org/orchestrator", "k8s")
TIERS = {"Admin": "kube-admin", "Baseline": "kube-baseline"}
ACTIONS: dict[str, Action] = {"Accept": "allow", "Deny": "deny", "Pass": "pass"}


@dataclass(frozen=True, slots=True)
class Ports:
    """The destination ports of one protocol (IANA number); none at all = every port of it."""

    protocol: int | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()


class Unconvertible(ValueError):  # noqa: N818  # Calico's word
    """A rule that Calico cannot convert: it fails closed."""


def network_policy(manifest: kubernetes.NetworkPolicy, namespace: str) -> Policy:
    """A NetworkPolicy: tier default, order 1000, all rules Allow."""
    spec = manifest.spec
    return Policy(
        key=PolicyKey("knp", namespace, manifest.metadata.name),
        tier="default",
        order=ORDER,
        selector=all_of(pod_selector(spec.pod_selector), label_equals(NAMESPACE, namespace)),
        types=frozenset(DIRECTIONS[name] for name in spec.policy_types or ["Ingress"]),
        ingress=tuple(
            rule for item in spec.ingress for rule in _rules(item.from_, item.ports, namespace, "ingress")
        ),
        egress=tuple(
            rule for item in spec.egress for rule in _rules(item.to, item.ports, namespace, "egress")
        ),
    )


def staged_network_policy(manifest: kubernetes.StagedKubernetesNetworkPolicy, namespace: str) -> Policy:
    """A StagedKubernetesNetworkPolicy: as the policy that it stages."""
    staged = network_policy(manifest, namespace)
    key = msgspec.structs.replace(staged.key, kind="sknp")
    return replace(staged, key=key, staged_action=manifest.spec.staged_action or "Set")


def _rules(
    peers: Sequence[kubernetes.Peer],
    ports: Sequence[kubernetes.PolicyPort],
    namespace: str,
    direction: Direction,
) -> Iterator[Rule]:
    entities = [_peer(peer, namespace) for peer in peers] or [ANY_ENTITY]
    for group in _ports_by_protocol(ports):
        for entity in entities:
            yield _rule("allow", entity, group, direction)


def _rule(action: Action, peer: EntityMatch, ports: Ports, direction: Direction) -> Rule:
    source, destination = (peer, ANY_ENTITY) if direction == "ingress" else (ANY_ENTITY, peer)
    to_ports = msgspec.structs.replace(destination, ports=ports.ranges, named_ports=ports.names)
    return Rule(action, source, to_ports, ports.protocol)


def _peer(peer: kubernetes.Peer, namespace: str) -> EntityMatch:
    if peer.ip_block:
        return EntityMatch(nets=(peer.ip_block.cidr,), not_nets=tuple(peer.ip_block.except_))
    where = (
        namespaces(peer.namespace_selector) if peer.namespace_selector else label_equals(NAMESPACE, namespace)
    )
    return EntityMatch(selector=all_of(where, pod_selector(peer.pod_selector)))


def _ports_by_protocol(ports: Sequence[kubernetes.PolicyPort]) -> list[Ports]:
    listed = [(item.protocol, _port(item)) for item in ports]
    return grouped(listed)


def _port(item: kubernetes.PolicyPort) -> tuple[int, int] | str | None:
    if isinstance(item.port, tuple):
        return item.port[0], item.end_port or item.port[1]
    return item.port


def grouped(listed: Sequence[tuple[str, tuple[int, int] | str | None]]) -> list[Ports]:
    """One group per protocol, by name; a port of None takes in all ports of its protocol."""
    groups = []
    for protocol in sorted({protocol for protocol, _ in listed}):
        ports = [port for name, port in listed if name == protocol]
        if None in ports:
            ports = []
        spans = merged(port for port in ports if isinstance(port, tuple))
        names = tuple(port for port in ports if isinstance(port, str))
        groups.append(Ports(PROTOCOLS[protocol], spans, names))
    return groups or [Ports()]


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The fewest ranges that hold the same ports."""
    spans: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if spans and low <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(high, spans[-1][1]))
        else:
            spans.append((low, high))
    return tuple(spans)


def pod_selector(selector: kubernetes.LabelSelector | None) -> Selector:
    """Pods only: host endpoints and network sets have no such label."""
    return all_of(IS_POD, *(_requirements(selector) if selector else ()))


def label_selector(selector: kubernetes.LabelSelector) -> Selector:
    """The selector over an object's own labels; an empty one selects everything."""
    return all_of(*_requirements(selector))


def namespaces(selector: kubernetes.LabelSelector) -> Selector:
    """What is in the namespaces selected; an empty selector selects them all."""
    return in_namespaces(label_selector(selector))


def _requirements(selector: kubernetes.LabelSelector) -> Iterator[Selector]:
    for key, value in sorted(selector.match_labels.items()):
        yield label_equals(key, value)
    for expression in selector.match_expressions:
        match expression.operator:
            case "In":
                yield label_in(expression.key, expression.values)
            case "NotIn":
                yield label_not_in(expression.key, expression.values)
            case "Exists":
                yield has(expression.key)
            case "DoesNotExist":
                yield negate(has(expression.key))


def cluster_network_policy(manifest: kubernetes.ClusterNetworkPolicy) -> Policy:
    """A ClusterNetworkPolicy: it governs just the directions that it has rules for."""
    spec = manifest.spec
    ingress = tuple(rule for item in spec.ingress for rule in _cluster_rules(item, item.from_, "ingress"))
    egress = tuple(rule for item in spec.egress for rule in _cluster_rules(item, item.to, "egress"))
    governed: list[Direction] = []
    governed += ["ingress"] if ingress else []
    governed += ["egress"] if egress else []
    return Policy(
        key=PolicyKey("kcnp", "", manifest.metadata.name),
        tier=TIERS[spec.tier],
        order=float(spec.priority),
        selector=_subject(spec.subject),
        types=frozenset(governed),
        ingress=ingress,
        egress=egress,
    )


def _subject(subject: kubernetes.Subject) -> Selector:
    if subject.pods:
        where, which = subject.pods.namespace_selector, pod_selector(subject.pods.pod_selector)
    else:
        where, which = subject.namespaces or kubernetes.LabelSelector(), IS_POD
    return global_policy_selector(which, all_of(*_requirements(where)), None)


def _cluster_rules(
    rule: kubernetes.ClusterRule, peers: Sequence[kubernetes.Subject], direction: Direction
) -> Iterator[Rule]:
    action = ACTIONS[rule.action]
    try:
        groups = _cluster_ports(rule.protocols or [])
        entities = [_cluster_peer(peer) for peer in peers]
    except Unconvertible:
        if action != "allow":
            yield Rule("deny")
        return
    for group in groups:
        for entity in entities:
            yield _rule(action, entity, group, direction)


def _cluster_peer(peer: kubernetes.Subject) -> EntityMatch:
    if peer.pods:
        where = namespaces(peer.pods.namespace_selector)
        return EntityMatch(selector=all_of(where, pod_selector(peer.pods.pod_selector)))
    if peer.namespaces:
        return EntityMatch(selector=namespaces(peer.namespaces))
    if isinstance(peer, kubernetes.EgressPeer) and peer.networks:
        return EntityMatch(nets=tuple(peer.networks))
    raise Unconvertible


def _cluster_ports(protocols: Sequence[kubernetes.ClusterProtocol]) -> list[Ports]:
    listed: list[tuple[str, tuple[int, int] | str | None]] = []
    for item in protocols:
        given = [
            (name, part) for name, part in (("TCP", item.tcp), ("UDP", item.udp), ("SCTP", item.sctp)) if part
        ]
        if not given:
            raise Unconvertible
        for name, part in given:
            listed.append((name, _cluster_port(part.destination_port)))
    return grouped(listed)


def _cluster_port(port: kubernetes.DestinationPort | None) -> tuple[int, int] | None:
    if port is None:
        return None
    if port.range:
        return port.range.start, port.range.end
    return (port.number, port.number) if port.number else None
