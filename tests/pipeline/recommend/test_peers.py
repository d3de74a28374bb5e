"""Peers: the narrowest that lasts comes first, and whatever admits more than was seen says so."""

from typing import Any

import pytest

from pipeline.recommend.recommendation import Options
from tests.pipeline.recommend.learning import NO_POLICIES, Cluster, by_name, flow, yaml_of

MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cart-1, namespace: shop, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.7]}]
ports: [{protocol: TCP, port: 7070}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: mixed-1, namespace: shop, labels: {kubernetes.io/service-name: mixed}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.7]}, {addresses: [10.0.0.9]}]
ports: [{protocol: TCP, port: 7070}, {protocol: TCP, port: 9102}, {protocol: UDP, port: 7070}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {partner: bank}}
spec: {nets: [192.0.2.0/28]}
---
apiVersion: v1
kind: Pod
metadata: {name: on-node-1, namespace: shop, uid: n1, labels: {app: other}}
spec: {serviceAccountName: default, nodeName: node-1, containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.9}], hostIP: 192.168.0.1}
"""
CLUSTER = Cluster.of(MANIFESTS)
TO_CART = {"dest_service_name": "cart", "dest_service_namespace": "shop"}
PARTNERS = {"dest_type": "ns", "dest_name_aggr": "partners", "dest_ip": "192.0.2.5"}
A_DOMAIN = {"dest_domains": ["api.example"]}
OTHER = {"labels": ["app=other"]}
SAME = {"dest_labels": {"labels": ["app=worker"]}}
NO_LABELS = {"dest_labels": None}

# Flows, the kinds of the rules that they become, what is in a rule's text, what is said of its width.
type Party = tuple[str, int | None, dict[str, Any]]

PEERS: dict[str, tuple[list[Party], str, str, str | None]] = {
    "a service that the facts know": ([("shop/cart", 7070, TO_CART)], "service", "name: cart", None),
    "a service that has more": (
        [("shop/cart", 7070, TO_CART | {"dest_service_name": "mixed"})],
        "service",
        "name: mixed",
        "admits all that the service has: workload on-node-1, tcp/9102 too",
    ),
    "a service of an unknown port": ([("shop/cart", 9999, TO_CART)], "workload", "app == 'cart'", None),
    "a service that is not known": (
        [("shop/cart", 7070, TO_CART | {"dest_service_name": "x"})], "workload", "app == 'cart'", None,
    ),
    "a service without this address": (
        [("10.9.9.9", 7070, TO_CART)],
        "cidr",
        "10.9.9.9/32",
        None,
    ),
    "a service without this workload": (
        [("shop/on-node", 7070, TO_CART | {"dest_name_aggr": "on-node-1", "dest_labels": OTHER})],
        "workload",
        "app == 'other'",
        None,
    ),
    "a service over SCTP": ([("shop/cart", 7070, TO_CART | {"proto": "sctp"})], "workload", "app", None),
    "a workload": ([("shop/db", 5432, {})], "workload", "app == 'db'", None),
    "a workload of another namespace": (
        [("data/db", 5432, {})], "workload", "namespaceSelector: projectcalico.org/name == 'data'", None,
    ),
    "workloads that no label tells apart": (
        [("shop/red", 80, SAME), ("shop/blue", 81, SAME)],
        "workload",
        "app == 'worker'",
        "no label tells them apart",
    ),
    "a workload without labels": (
        [("data/bare", 80, NO_LABELS)],
        "namespace",
        "namespaceSelector: projectcalico.org/name == 'data'",
        "has no label to tell it by: admits every workload of data",
    ),
    "a network set": ([("192.0.2.5", 443, PARTNERS)], "network_set", "partner == 'bank'", None),
    "a domain": ([("198.51.100.1", 443, A_DOMAIN)], "domain", "- api.example", None),
    "a node": ([("192.168.0.1", 10250, {})], "host", "192.168.0.1/32", "nodes come and go"),
    "a private address": ([("10.9.9.9", 443, {})], "cidr", "10.9.9.9/32", None),
    "a public address": ([("198.51.100.1", 8443, {})], "cidr", "198.51.100.1/32", None),
    "many near addresses": (
        [(f"198.51.100.{n}", 443, {}) for n in range(1, 60, 3)],
        "cidr",
        "198.51.100.0/26",
        "admits 44 addresses",
    ),
    "too many addresses": (
        [(f"198.51.{n}.1", 443, {}) for n in range(80)],
        "public",
        "notNets",
        "too many addresses were seen: admits all",
    ),
    "a private address that was not logged": (
        [("pvt", 443, {})], "private", "10.0.0.0/8", "no addresses were logged: admits all 17,891,328",
    ),
    "a public address that was not logged": (
        [("pub", 443, {})], "public", "notNets", "no addresses were logged: admits all",
    ),
    "a port that was not logged": ([("shop/db", None, {})], "workload", "app == 'db'", "no port was logged"),
    "ports close to each other": (
        [("shop/db", port, {}) for port in range(7_000, 7_040) if port % 8],
        "workload",
        "7001:7039",
        "admits 4 ports that were not seen",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PEERS)
def test_a_peer_is_the_narrowest_that_lasts_and_says_what_it_admits_beyond(case: str) -> None:
    parties, kind, text, widening = PEERS[case]
    flows = [flow("shop/web", to, port, hour, **more) for hour in range(3) for to, port, more in parties]
    web = by_name(CLUSTER.recommend(flows))["web-learned"]
    rules = [rule for rule in web.rules if rule.evidence]
    assert {rule.peer for rule in rules} == {kind}
    assert text in yaml_of([web])
    for rule in rules:
        assert (rule.widening is None) if widening is None else (rule.widening and widening in rule.widening)


def test_rules_stand_in_the_order_of_their_peers() -> None:
    order = [
        "dns",
        "service",
        "workload",
        "namespace",
        "network_set",
        "host",
        "domain",
        "cidr",
        "private",
        "public",
    ]
    parties = [each for case in PEERS.values() for each in case[0]]
    flows = [flow("shop/web", to, port, hour, **more) for hour in range(3) for to, port, more in parties]
    kinds = [rule.peer for rule in by_name(CLUSTER.recommend(flows))["web-learned"].rules]
    assert kinds == sorted(kinds, key=order.index)
    assert set(kinds) == set(order)


def test_without_domains_a_public_name_is_all_public_addresses_and_says_so() -> None:
    flows = [flow("shop/web", "198.51.100.1", 443, hour, **A_DOMAIN) for hour in range(3)]
    (web,) = NO_POLICIES.recommend(flows, Options(domains=False))
    (rule,) = (rule for rule in web.rules if rule.evidence)
    assert rule.peer == "public"
    assert rule.widening
    assert "addresses behind a domain change: admits all" in rule.widening
    assert "domains" not in yaml_of([web])


def test_without_domains_a_private_address_behind_a_name_stays_one_address() -> None:
    flows = [flow("shop/web", "10.9.9.9", 443, hour, **A_DOMAIN) for hour in range(3)]
    (web,) = NO_POLICIES.recommend(flows, Options(domains=False))
    assert [rule.peer for rule in web.rules if rule.evidence] == ["cidr"]
    assert "10.9.9.9/32" in yaml_of([web])


def test_a_network_set_that_nobody_knows_and_no_address_tells_opens_nothing() -> None:
    unknown = {"dest_type": "ns", "dest_name_aggr": "gone", "dest_namespace": "-"}
    (found,) = CLUSTER.recommend([flow("shop/web", "pub", 443, 0, **unknown)], Options())
    assert [each.reason for each in found.set_aside] == [
        "the policies have no such network set, and no address was logged"
    ]
    assert {rule.peer for rule in found.rules} == {"dns"}
