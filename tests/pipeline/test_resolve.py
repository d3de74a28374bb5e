"""Every flow's sides are exactly those that the record and the facts prove."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import PRIVATE, PUBLIC
from pipeline.facts import Facts, fact_key
from pipeline.flow import Endpoint
from pipeline.identity import Candidate, Identity, NamedPort, Slice
from pipeline.own_host import NO, OPEN, YES
from pipeline.policy.facts_resources import EndpointSlice, Namespace
from pipeline.resolve import JUDGED, UNJUDGED, Resolver
from tests.pipeline.resolving import (
    CANARY,
    CLUSTER,
    INHERITED,
    OF_ANY_POD,
    PARTNER,
    POLICIES,
    WEB,
    X,
    Y,
    batch_of,
    flow,
    labels,
    net,
    nets,
    side,
    wep,
)


def test_a_pod_known_by_name_is_exactly_it():
    found = side(wep("web-7d4-x", listed=["app=web"]))
    assert found.candidates == (Candidate(WEB, nets("10.0.0.1/32")),)
    assert found.missing == ()
    assert found.domains == ()


def test_the_records_own_address_counts_before_the_pods():
    found = side(wep("web-7d4-x", ip="10.0.0.99"))
    assert found.candidates == (Candidate(WEB, nets("10.0.0.99/32")),)


def test_an_aggregated_name_is_any_pod_alive_with_its_prefix_and_equal_ones_are_one():
    found = side(wep())
    assert found.candidates == (Candidate(WEB, nets("10.0.0.1/32", "10.0.0.2/32")),)
    assert found.missing == ("dest_ip",)


def test_pods_that_selectors_can_tell_apart_stay_apart():
    found = side(wep(), Facts.from_resources([*CLUSTER, CANARY]))
    assert {candidate.addresses for candidate in found.candidates} == {
        nets("10.0.0.1/32", "10.0.0.2/32"),
        nets("10.0.0.3/32"),
    }
    assert found.missing == ("dest_ip", "pod")


def test_an_address_or_a_listed_label_tells_which_of_them_it_is():
    facts = Facts.from_resources([*CLUSTER, CANARY])
    assert side(wep(ip="10.0.0.2"), facts).candidates == (Candidate(WEB, nets("10.0.0.2/32")),)
    assert side(wep(listed=["hash=7d4"]), facts).missing == ("dest_ip",)
    (candidate,) = side(wep(listed=["canary=yes"]), facts).candidates
    assert candidate.addresses == nets("10.0.0.3/32")


@pytest.mark.parametrize(
    ("start", "end", "addresses"),
    [
        (0, 99, ()),
        (0, 150, ("10.0.0.1/32",)),
        (150, 200, ("10.0.0.1/32", "10.0.0.2/32")),
        (300, 400, ("10.0.0.2/32",)),
    ],
)
def test_only_pods_alive_within_the_interval_count(start, end, addresses):
    facts = Facts.from_resources(CLUSTER)
    facts.remove(fact_key(X), 300)
    (candidate,) = side(wep(), facts, start, end).candidates
    assert candidate.addresses == nets(*addresses)
    assert candidate.identity.open_prefixes == (() if addresses else ("",))


def test_labels_changed_within_the_interval_leave_both_open():
    facts = Facts.from_resources(CLUSTER)
    facts.put(replace(X, labels={"app": "web", "hash": "7d4", "drained": "yes"}), 350)
    assert len(side(wep("web-7d4-x"), facts, 300, 349).candidates) == 1
    assert len(side(wep("web-7d4-x"), facts, 350, 400).candidates) == 1
    both = side(wep("web-7d4-x"), facts, 300, 400)
    drained = {("drained", "yes") in candidate.identity.labels for candidate in both.candidates}
    assert drained == {False, True}
    assert both.missing == ("pod",)


def test_a_pod_known_only_since_it_was_relabelled_may_have_had_the_records_labels_before():
    facts = Facts.from_resources(CLUSTER[:2])
    facts.remember(replace(X, labels={"app": "web", "hash": "7d4", "drained": "yes"}), 350, 1000)
    assert len(side(wep("web-7d4-x", listed=["app=web"]), facts, 300, 400).candidates) == 2
    assert len(side(wep("web-7d4-x", listed=["app=web"]), facts, 350, 400).candidates) == 1


def test_a_namespace_relabelled_within_the_interval_leaves_both_open():
    facts = Facts.from_resources(CLUSTER)
    facts.put(Namespace("shop", {"team": "b"}), 350)
    facts.remove(fact_key(Y), 340)
    teams = [dict(candidate.identity.labels)["pcns.team"] for candidate in side(wep(), facts).candidates]
    assert sorted(teams) == ["a", "b"]
    y_only = side(wep("web-7d4-y"), facts).candidates
    assert [dict(candidate.identity.labels)["pcns.team"] for candidate in y_only] == ["a"]


def test_a_single_pod_that_the_facts_do_not_know_has_the_records_labels():
    (candidate,) = side(wep("api-1", "api-*", listed=["app=api"])).candidates
    assert candidate.identity == Identity(
        "wep",
        labels({"app": "api"}, OF_ANY_POD, {k: v for k, v in INHERITED.items() if k.startswith("pcns.")}),
        profiles=("kns.shop",),
        open_prefixes=("projectcalico.org/", "projectcalico.org/serviceaccount", "pcsa."),
        open_ports=True,
    )
    assert not candidate.identity.is_open("canary")
    assert not candidate.identity.is_open("pcns.env")


@pytest.mark.parametrize(
    ("endpoint", "missing", "opened", "closed"),
    [
        (
            wep("api-1", "api-*", "10.0.0.9", ["app=api"], "gone"),
            ("named_ports", "namespace", "service_account"),
            ["pcns.team", "pcsa.x", "projectcalico.org/serviceaccount"],
            ["canary", "app2"],
        ),
        (
            wep("api-1", "api-*", "10.0.0.9", None),
            ("labels", "named_ports", "service_account"),
            ["app", "pcsa.x"],
            ["pcns.other"],
        ),
        (
            wep("", "api-*", "", ["app=api"]),
            ("dest_ip", "labels", "named_ports", "service_account"),
            ["canary", "pcsa.x"],
            ["pcns.other"],
        ),
        (
            wep("", "api-*", "", ["app=api", "projectcalico.org/serviceaccount=web"]),
            ("dest_ip", "labels", "named_ports"),
            ["canary"],
            ["pcns.other", "pcsa.other"],
        ),
    ],
)
def test_what_a_record_does_not_prove_is_open(endpoint, missing, opened, closed):
    found = side(endpoint)
    (candidate,) = found.candidates
    assert found.missing == missing
    assert all(candidate.identity.is_open(key) for key in opened)
    assert not any(candidate.identity.is_open(key) for key in closed)


def test_unreadable_labels_are_no_labels():
    garbled = Endpoint("wep", "shop", "api-1", "api-*", "10.0.0.9", b'{"labels":7}')
    assert side(garbled) == side(garbled._replace(labels=None))


@pytest.mark.parametrize(
    "endpoint", [Endpoint("hep", "", name, "node-1", "", None) for name in ("node-1-eth0", "")]
)
def test_a_host_endpoint_is_found_by_its_name_or_its_nodes(endpoint):
    found = side(endpoint)
    identity = Identity("hep", (("role", "worker"),), (NamedPort("ssh", 6, 22),))
    assert found.candidates == (Candidate(identity, nets("10.9.0.1/32")),)
    assert found.missing == ()


def test_an_unknown_host_endpoint_has_open_labels_and_no_namespace():
    found = side(Endpoint("hep", "", "-", "node-9", "10.9.0.9", None))
    (candidate,) = found.candidates
    assert found.missing == ("host_endpoint",)
    assert candidate.identity.is_open("role")
    assert not candidate.identity.is_open("pcns.team")


@pytest.mark.parametrize(
    ("endpoint", "addresses", "missing"),
    [
        (Endpoint("ns", "", "", "threats", "", None), ("203.0.113.0/24", "2001:db8::/64"), ("dest_ip",)),
        (Endpoint("ns", "", "threats", "threats", "203.0.113.7", None), ("203.0.113.7/32",), ()),
        (net("pub", "198.51.100.1"), ("198.51.100.1/32",), ()),
        (net("pvt", "10.1.2.3"), ("10.1.2.3/32",), ()),
        (net("pub", "2001:DB8::1"), ("2001:db8::1/128",), ()),
    ],
)
def test_an_address_in_a_set_or_network_is_no_endpoint(endpoint, addresses, missing):
    found = side(endpoint)
    assert found.candidates == (Candidate(None, nets(*addresses)),)
    assert found.missing == missing


@pytest.mark.parametrize(("aggr", "region"), [("pvt", PRIVATE), ("pub", PUBLIC), ("", ())])
def test_a_network_without_address_is_one_of_its_region_in_no_set(aggr, region):
    assert side(net(aggr)).candidates == (Candidate(None, region, outside_sets=True),)


@given(st.ip_addresses())
def test_every_address_is_either_private_or_public(address):
    private, public = (
        any(net.version == address.version and address in net for net in region)
        for region in (PRIVATE, PUBLIC)
    )
    assert private != public
    assert private == any(address in net for net in nets("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def test_a_set_that_the_revision_does_not_have_is_what_the_record_says_of_it():
    found = side(Endpoint("ns", "shop", "", "old-set", "", b'{"labels":["kind=old"]}'))
    (candidate,) = found.candidates
    assert candidate.identity.kind == "ns"
    assert ("kind", "old") in candidate.identity.labels
    assert ("pcns.team", "a") in candidate.identity.labels
    assert candidate.addresses == ()
    assert found.missing == ("dest_ip", "network_set")


def test_a_record_that_does_not_say_what_its_endpoint_is_leaves_both_open():
    found = side(Endpoint("", "shop", "x", "x", "10.0.0.77", None))
    kinds = {candidate.identity and candidate.identity.kind for candidate in found.candidates}
    assert kinds == {None, "wep"}
    assert "type" in found.missing


@pytest.mark.parametrize(
    ("endpoint", "domains", "expected"),
    [
        (net("pub", "198.51.100.1"), ("a.example",), ("a.example",)),
        (net("pub", "198.51.100.1"), (), ()),
        (net("pub", "198.51.100.1"), None, None),
        (wep("web-7d4-x"), ("a.example",), ()),
        (wep("web-7d4-x"), None, ()),
    ],
)
def test_only_what_lies_outside_has_domains(endpoint, domains, expected):
    found = side(endpoint, domains=domains)
    assert found.domains == expected
    assert ("domain" in found.missing) == (expected is None)


@pytest.mark.parametrize(
    ("source", "dest", "reporter", "expected"),
    [
        (net("pvt", "10.9.0.1"), wep("web-7d4-x"), "dst", YES),
        (net("pvt", "10.9.0.1"), wep("web-7d4-x"), "src", NO),
        (net("pvt", "10.9.0.1"), net("pvt"), "dst", NO),
        (net("pvt", "10.9.0.2"), wep("web-7d4-x"), "dst", NO),
        (net("pvt"), wep("web-7d4-x"), "dst", OPEN),
        (net("pub"), wep("web-7d4-x"), "dst", NO),
        (net("pub", "198.51.100.1"), wep("web-7d4-x"), "dst", NO),
        (wep("web-7d4-y"), wep("web-7d4-x"), "dst", NO),
        (Endpoint("hep", "", "node-1-eth0", "", "", None), wep("web-7d4-x"), "dst", YES),
        (Endpoint("hep", "", "", "node-1", "", None), wep("web-7d4-x"), "dst", YES),
        (Endpoint("hep", "", "", "node-2", "", None), wep("web-7d4-x"), "dst", NO),
    ],
)
def test_a_host_is_told_from_others_when_it_sends_to_its_own_pod(source, dest, reporter, expected):
    resolver = Resolver(Facts.from_resources(CLUSTER), POLICIES)
    assert resolver.resolve(batch_of([flow(source, dest, reporter=reporter)])).own_host.tolist() == [expected]


@pytest.mark.parametrize(("ip", "expected"), [("10.9.0.1", OPEN), ("198.51.100.1", NO), ("", OPEN)])
def test_a_node_whose_addresses_nobody_knows_may_be_any_private_one(ip, expected):
    resolver = Resolver(Facts(), POLICIES)
    flows = [flow(net("pvt" if expected else "pub", ip), wep("web-7d4-x"), reporter="dst")]
    assert resolver.resolve(batch_of(flows)).own_host.tolist() == [expected]


@pytest.mark.parametrize(
    ("source", "dest", "reporter", "namespace", "unjudged"),
    [
        (wep("web-7d4-x"), PARTNER, "src", "shop", None),
        (wep("web-7d4-x"), PARTNER, "dst", "other", None),
        (PARTNER, net(), "fwd", "other", "forwarded"),
        (Endpoint("hep", "", "", "node-1", "", None), PARTNER, "src", "", "host_endpoint"),
        (PARTNER, net(), "dst", "", "no_workload"),
    ],
)
def test_the_judged_side_is_the_reporters_workload(source, dest, reporter, namespace, unjudged):
    resolved = Resolver(Facts(), POLICIES).resolve(batch_of([flow(source, dest, reporter=reporter)]))
    assert resolved.namespaces[resolved.namespace[0]] == namespace
    assert resolved.unjudged.tolist() == [JUDGED if unjudged is None else UNJUDGED.index(unjudged)]


def test_the_addresses_behind_services_that_rules_name_are_those_of_the_time():
    slices = [
        EndpointSlice("shop", f"{name}-1", name, (ip,), ((6, 80),))
        for name, ip in [("web", "10.0.0.1"), ("api", "10.0.0.5")]
    ]
    facts = Facts.from_resources(slices)
    expected = Slice(("shop", "web"), frozenset(nets("10.0.0.1/32")), frozenset({(6, 80)}))
    assert Resolver(facts, POLICIES).resolve(batch_of([flow()])).slices == (expected,)
    facts.remove("EndpointSlice/shop/web-1", 200)
    assert Resolver(facts, POLICIES).resolve(batch_of([flow()])).slices == ()


def test_sets_inherit_their_namespaces_labels_and_what_changed_is_open():
    facts = Facts.from_resources(CLUSTER)
    resolver = Resolver(facts, POLICIES)
    threats, partners = resolver.resolve(batch_of([flow()])).sets
    assert (threats.labels, threats.open_prefixes) == ((("feed", "x"),), ())
    assert dict(partners.labels)["pcns.team"] == "a"
    facts.put(Namespace("shop", {"team": "b"}), 350)
    _, partners = resolver.resolve(batch_of([flow()])).sets
    assert partners.open_prefixes == ("pcns.team",)
    assert "pcns.team" not in dict(partners.labels)


def test_side_ids_hold_from_batch_to_batch_and_follow_the_facts():
    facts = Facts.from_resources(CLUSTER)
    resolver = Resolver(facts, POLICIES)
    first, again = (resolver.resolve(batch_of([flow(wep())])) for _ in range(2))
    assert first.source.tolist() == again.source.tolist()
    facts.remove(fact_key(Y), 250)
    changed = resolver.resolve(batch_of([flow(wep())]))
    assert changed.source.tolist() != first.source.tolist()
    assert resolver.sides[changed.source[0]].candidates == (Candidate(WEB, nets("10.0.0.1/32")),)


def test_an_empty_batch_resolves_to_nothing():
    assert len(Resolver(Facts(), POLICIES).resolve(batch_of([])).source) == 0
