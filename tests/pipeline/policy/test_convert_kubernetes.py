"""Kubernetes policies become the rules, in the order, that Calico makes of them."""

from ipaddress import ip_network
from typing import Any

import orjson
import pytest

from pipeline.policy.load import load_texts
from pipeline.policy.policies import ANY_ENTITY, EntityMatch, Policy, Rule
from pipeline.policy.selector import parse

IS_POD = 'projectcalico.org/orchestrator == "k8s"'
HERE = 'projectcalico.org/namespace == "shop"'
IN_ANY = "has(projectcalico.org/namespace)"


def _policy(version: str, kind: str, spec: dict[str, Any], namespace: str | None) -> Policy:
    metadata = {"name": "it", **({"namespace": namespace} if namespace else {})}
    manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    loaded = load_texts([("case", orjson.dumps(manifest))])
    loaded.require()
    plain = loaded.policies[0].plain
    assert isinstance(plain, Policy)
    return plain


def _network_policy(**spec: Any) -> Policy:
    return _policy("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {}, **spec}, "shop")


def _cluster_policy(**spec: Any) -> Policy:
    whole = {"tier": "Admin", "priority": 7, "subject": {"namespaces": {}}, **spec}
    return _policy("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", whole, None)


def _shape(rules: tuple[Rule, ...]) -> list[tuple[int | None, Any, Any]]:
    return [
        (
            rule.protocol,
            rule.source.selector and rule.source.selector.canonical,
            (rule.destination.ports, rule.destination.named_ports),
        )
        for rule in rules
    ]


def test_it_stands_in_the_default_tier_at_order_1000_and_selects_pods_of_its_namespace() -> None:
    policy = _network_policy(podSelector={"matchLabels": {"b": "2", "a": "1"}})
    assert (str(policy.key), policy.tier, policy.order) == ("knp:shop/it", "default", 1000.0)
    assert policy.selector.canonical == f'(({IS_POD} && a == "1" && b == "2") && {HERE})'
    assert policy.types == {"ingress"}


def test_every_requirement_has_its_form() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["y", "x"]},
        {"key": "b", "operator": "NotIn", "values": ["z"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    policy = _network_policy(podSelector={"matchExpressions": expressions})
    wanted = f'({IS_POD} && a in {{"x", "y"}} && b not in {{"z"}} && has(c) && !has(d))'
    assert policy.selector.canonical == f"({wanted} && {HERE})"


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, {"ingress"}),
        ({"egress": [{}]}, {"ingress"}),
        ({"policyTypes": ["Egress"]}, {"egress"}),
        ({"policyTypes": ["Ingress", "Egress"]}, {"ingress", "egress"}),
    ],
)
def test_only_named_types_are_governed_or_else_ingress(spec, types) -> None:
    assert _network_policy(**spec).types == types


@pytest.mark.parametrize(
    ("peer", "canonical"),
    [
        ({"podSelector": {}}, f"({HERE} && {IS_POD})"),
        ({"namespaceSelector": {}}, f"({IN_ANY} && {IS_POD})"),
        ({"namespaceSelector": {"matchLabels": {"a": "1"}}}, f'(pcns.a == "1" && {IS_POD})'),
        (
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "1"}}},
            f'({IN_ANY} && ({IS_POD} && a == "1"))',
        ),
    ],
)
def test_peers_are_pods_of_the_namespaces_selected_or_of_its_own(peer, canonical) -> None:
    (rule,) = _network_policy(ingress=[{"from": [peer]}]).ingress
    assert rule.source.selector == parse(canonical)


def test_one_rule_comes_of_each_protocol_and_peer_protocols_first() -> None:
    ports = [
        {"port": 80},
        {"port": 53, "protocol": "UDP"},
        {"port": 82, "endPort": 90},
        {"port": 81, "protocol": "TCP"},
        {"port": "http"},
    ]
    peers: list[dict[str, object]] = [{"podSelector": {}}, {"namespaceSelector": {}}]
    rules = _network_policy(ingress=[{"from": peers, "ports": ports}]).ingress
    near, far = f"({HERE} && {IS_POD})", f"({IN_ANY} && {IS_POD})"
    tcp, udp = (((80, 90),), ("http",)), (((53, 53),), ())
    assert _shape(rules) == [(6, near, tcp), (6, far, tcp), (17, near, udp), (17, far, udp)]


def test_a_port_without_number_takes_in_the_whole_protocol() -> None:
    rules = _network_policy(ingress=[{"ports": [{"port": 80}, {}, {"port": 81}]}]).ingress
    assert _shape(rules) == [(6, None, ((), ()))]


def test_no_peers_and_no_ports_is_everything() -> None:
    assert _network_policy(ingress=[{}]).ingress == (Rule("allow"),)
    assert _network_policy(ingress=[{"from": [], "ports": []}]).ingress == (Rule("allow"),)


def test_egress_has_peers_and_ports_on_the_same_side() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    policy = _network_policy(policyTypes=["Egress"], egress=[{"to": [block], "ports": [{"port": 443}]}])
    entity = EntityMatch(
        nets=(ip_network("10.0.0.0/8"),), not_nets=(ip_network("10.1.0.0/16"),), ports=((443, 443),)
    )
    assert policy.egress == (Rule("allow", ANY_ENTITY, entity, 6),)


def test_the_staged_form_is_the_same_policy_staged() -> None:
    spec = {"podSelector": {"matchLabels": {"a": "1"}}, "ingress": [{}]}
    staged = _policy("projectcalico.org/v3", "StagedKubernetesNetworkPolicy", spec, "shop")
    enforced = _network_policy(**spec)
    assert staged.key.twin == enforced.key
    assert (staged.selector, staged.ingress, staged.types) == (
        enforced.selector,
        enforced.ingress,
        enforced.types,
    )
    assert staged.staged_action == "Set"


@pytest.mark.parametrize(
    ("subject", "canonical"),
    [
        ({"namespaces": {}}, f"({IS_POD} && {IN_ANY})"),
        ({"namespaces": {"matchLabels": {"a": "1"}}}, f'({IS_POD} && pcns.a == "1")'),
        (
            {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "1"}}}},
            f'(({IS_POD} && a == "1") && {IN_ANY})',
        ),
    ],
)
def test_the_subject_of_a_cluster_policy_is_pods(subject, canonical) -> None:
    assert _cluster_policy(subject=subject).selector == parse(canonical)


@pytest.mark.parametrize(("tier", "name"), [("Admin", "kube-admin"), ("Baseline", "kube-baseline")])
def test_a_cluster_policy_stands_in_its_tier_by_priority(tier, name) -> None:
    policy = _cluster_policy(tier=tier)
    assert (str(policy.key), policy.tier, policy.order) == ("kcnp:it", name, 7.0)


PEER = {"namespaces": {"matchLabels": {"a": "1"}}}


def test_a_cluster_policy_governs_just_the_directions_it_has_rules_for() -> None:
    assert _cluster_policy().types == frozenset()
    assert _cluster_policy(ingress=[{"action": "Deny", "from": [PEER]}]).types == {"ingress"}
    assert _cluster_policy(egress=[{"action": "Pass", "to": [PEER]}]).types == {"egress"}


def test_a_namespaces_peer_takes_in_network_sets_and_a_pods_peer_does_not() -> None:
    pods: dict[str, object] = {"pods": {"namespaceSelector": {}, "podSelector": {}}}
    wide, narrow = _cluster_policy(ingress=[{"action": "Accept", "from": [PEER, pods]}]).ingress
    assert wide.source.selector == parse("pcns.a == '1'")
    assert narrow.source.selector == parse(f"({IN_ANY} && {IS_POD})")


def test_cluster_rules_have_their_protocols_and_actions() -> None:
    protocols = [
        {"tcp": {"destinationPort": {"range": {"start": 80, "end": 90}}}},
        {"udp": {}},
        {"tcp": {"destinationPort": {"number": 91}}},
    ]
    to = [{"networks": ["10.0.0.0/8", "fd00::/8"]}]
    rules = _cluster_policy(egress=[{"action": "Pass", "to": to, "protocols": protocols}]).egress
    nets = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert rules == (
        Rule("pass", ANY_ENTITY, EntityMatch(nets=nets, ports=((80, 91),)), 6),
        Rule("pass", ANY_ENTITY, EntityMatch(nets=nets), 17),
    )


@pytest.mark.parametrize(
    ("action", "rules"), [("Accept", ()), ("Deny", (Rule("deny"),)), ("Pass", (Rule("deny"),))]
)
@pytest.mark.parametrize("part", [{"protocols": [{"destinationNamedPort": "http"}]}, {"to": [{"nodes": {}}]}])
def test_a_cluster_rule_that_calico_cannot_convert_fails_closed(action, rules, part) -> None:
    assert _cluster_policy(egress=[{"action": action, "to": [PEER], **part}]).egress == rules
