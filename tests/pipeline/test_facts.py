"""Facts hold what the cluster was, and when, and travel as records."""

from dataclasses import replace
from ipaddress import ip_network
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.facts import Facts, fact_key
from pipeline.facts_records import FactError, Told, decode, encode, follow
from pipeline.policy.facts_resources import EndpointSlice, Fact, HostEndpoint, Namespace, Pod, ServiceAccount

WEB = Pod(
    "shop",
    "web-7d4-x2x",
    "uid-1",
    {"app": "web"},
    "web",
    ("10.0.0.1",),
    "node-1",
    ("10.9.0.1",),
    ports=(("http", 6, 8080),),
    created=100.0,
    generate_name="web-7d4-",
)
NODE_ADDRESS = ip_network("10.9.0.1")
ONE_OF_EACH: list[Fact] = [
    Namespace("shop", {"team": "a"}),
    ServiceAccount("shop", "web", {"tier": "front"}),
    WEB,
    HostEndpoint("node-1-eth0", "node-1", {"role": "worker"}, ("10.9.0.1",), (("ssh", 6, 22),), "eth0"),
    EndpointSlice("shop", "web-abc", "web", ("10.0.0.1",), ((6, 8080), (None, None))),
]


def lives(versions):
    return [(version.fact.labels, version.since, version.until) for version in versions]


def test_a_pod_lives_from_its_creation_to_its_removal():
    facts = Facts.from_resources([WEB])
    facts.remove(fact_key(WEB), 200)
    found = {
        window: bool(facts.pods_named("shop", WEB.name, *window))
        for window in [(0, 99), (0, 100), (150, 160), (199, 300), (200, 300)]
    }
    assert found == {(0, 99): False, (0, 100): True, (150, 160): True, (199, 300): True, (200, 300): False}


def test_a_change_of_labels_ends_one_version_and_begins_another():
    facts = Facts.from_resources([WEB])
    facts.put(replace(WEB, labels={"app": "web", "canary": "yes"}), 150)
    assert lives(facts.pods_named("shop", WEB.name)) == [
        ({"app": "web"}, 100, 150),
        ({"app": "web", "canary": "yes"}, 150, inf),
    ]
    assert len(facts.pods_with_prefix("shop", "web-7d4-", 140, 160)) == 2


def test_what_a_pod_gets_once_holds_for_its_whole_life():
    facts = Facts()
    facts.put(replace(WEB, ips=(), node="", host_ips=()), 100)
    facts.put(WEB, 103)
    assert lives(facts.pods_at("10.0.0.1")) == [({"app": "web"}, 100, inf)]
    assert facts.host_addresses("node-1") == {NODE_ADDRESS}


def test_a_name_used_again_keeps_the_history_of_the_pod_before():
    facts = Facts.from_resources([WEB])
    facts.put(replace(WEB, uid="uid-2", labels={"app": "new"}, created=300.0), 301)
    assert lives(facts.pods_named("shop", WEB.name)) == [
        ({"app": "web"}, 100, 300),
        ({"app": "new"}, 300, inf),
    ]


def test_what_is_first_heard_of_has_been_so_since_ever():
    facts = Facts()
    facts.put(Namespace("shop", {"team": "a"}), 500)
    facts.put(Namespace("shop", {"team": "b"}), 600)
    assert lives(facts.namespaces.alive("shop")) == [({"team": "a"}, -inf, 600), ({"team": "b"}, 600, inf)]


def test_putting_the_same_again_changes_nothing():
    facts = Facts.from_resources(ONE_OF_EACH)
    stamps = facts.stamp("shop"), facts.stamp("")
    for fact in ONE_OF_EACH:
        facts.put(fact, 400)
    assert (facts.stamp("shop"), facts.stamp("")) == stamps
    assert lives(facts.pods_named("shop", WEB.name)) == [({"app": "web"}, 100, inf)]
    assert lives(facts.namespaces.alive("shop")) == [({"team": "a"}, -inf, inf)]
    assert len(facts.slices(("shop", "web"))) == len(facts.host_endpoints("", "node-1")) == 1


def test_what_ended_is_kept_for_the_retention_and_no_longer():
    facts = Facts.from_resources(ONE_OF_EACH, retention=1000)
    for fact in ONE_OF_EACH:
        facts.remove(fact_key(fact), 200)
    facts.expire(1200)
    assert facts.pods_named("shop", WEB.name, 150, 160)
    facts.expire(1201)
    assert not facts.pods_named("shop", WEB.name)
    assert not facts.pods_at("10.0.0.1")
    assert not facts.pods_with_prefix("shop", "web-7d4-")
    assert not facts.namespaces.alive("shop")
    assert not facts.slices(("shop", "web"))
    assert not facts.host_endpoints("node-1-eth0", "")
    assert not facts.host_addresses("node-1")


def test_pods_in_the_hosts_network_tell_its_address_but_are_no_workloads():
    facts = Facts.from_resources([replace(WEB, host_network=True, ips=("10.9.0.1",))])
    assert not facts.pods_at("10.9.0.1")
    assert not facts.pods_with_prefix("shop", "web-7d4-")
    assert facts.host_addresses("node-1") == {NODE_ADDRESS}


@pytest.mark.parametrize("fact", ONE_OF_EACH, ids=fact_key)
def test_a_change_shows_in_the_stamp_of_its_namespace_only(fact):
    scope = "" if isinstance(fact, HostEndpoint) else "shop"
    facts = Facts()
    facts.put(fact, 10)
    facts.remove(fact_key(fact), 20)
    assert facts.stamp(scope) == 2
    assert facts.stamp("other") == 0


@pytest.mark.parametrize("fact", ONE_OF_EACH, ids=fact_key)
@pytest.mark.parametrize(("since", "until"), [(-inf, inf), (5.0, inf), (5.0, 9.5)])
def test_a_record_comes_back_as_it_went(fact, since, until):
    key, value = encode(fact, since, until)
    name, told = decode(key, value)
    assert name == fact_key(fact)
    assert told == Told(fact, since, until)


@pytest.mark.parametrize("fact", ONE_OF_EACH, ids=fact_key)
def test_a_tombstone_ends_its_fact(fact):
    facts = Facts(retention=0)
    follow(facts, *encode(fact, 5), at=6)
    follow(facts, fact_key(fact).encode(), None, at=7)
    facts.expire(7.5)
    assert facts.stamp("" if isinstance(fact, HostEndpoint) else "shop") == 3


def test_a_later_record_of_a_key_takes_the_place_of_the_one_before():
    facts = Facts()
    follow(facts, *encode(WEB, 100), at=100)
    follow(facts, *encode(WEB, 100, 200), at=201)
    assert lives(facts.pods_named("shop", WEB.name)) == [({"app": "web"}, 100, 200)]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, b"{}", "names no fact"),
        (b"Pod/shop/web", None, "names no fact"),
        (b"Secret/shop/web", None, "names no fact"),
        (b"\xff", None, "names no fact"),
        (b"Namespace//shop", b"", "truncated"),
        (b"Namespace//shop", b"{", "Namespace//shop"),
        (b"Namespace//shop", b'{"v":2,"kind":"Namespace","fact":{"name":"shop"}}', "Invalid enum value 2"),
        (b"Namespace//shop", b'{"v":1,"kind":"Namespace","fact":{"name":7}}', "Expected `str`"),
        (b"Namespace//shop", b'{"v":1,"kind":"Namespace","fact":{"name":"bar"}}', "Namespace//bar"),
        (b"Namespace//shop", b'{"v":1,"kind":"Secret","fact":{"name":"shop"}}', "tells of Secret"),
        (
            b"HostEndpoint//h",
            b'{"v":1,"kind":"HostEndpoint","fact":{"name":"h","node":"n","ips":["x"]}}',
            "'x' is no IP address",
        ),
    ],
)
def test_a_record_that_cannot_be_read_says_which_and_why(key, value, reason):
    facts = Facts()
    with pytest.raises(FactError, match=reason):
        follow(facts, key, value, at=1)
    assert not facts.stamp("shop")


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(value):
    with pytest.raises(FactError):
        decode(b"Namespace//shop", value)


TIMES = st.integers(0, 20)


@given(st.lists(st.tuples(TIMES, st.sampled_from([None, "a", "b", "c"])), max_size=12), TIMES)
def test_at_any_time_a_fact_is_what_was_last_told_of_it(changes, moment):
    facts = Facts()
    changes = sorted(changes, key=lambda change: change[0])
    for at, team in changes:
        if team:
            facts.put(Namespace("shop", {"team": team}), at)
        else:
            facts.remove("Namespace//shop", at)
    told = [team for at, team in changes if at <= moment]
    first = next((team for _, team in changes if team), None)
    expected = told[-1] if any(told) else first
    held = facts.namespaces.alive("shop", moment, moment)
    assert [version.fact.labels["team"] for version in held] == ([expected] if expected else [])


def test_a_pod_without_labels_ports_and_node_has_no_labels():
    facts = Facts.from_resources([Pod("shop", "bare")])
    assert [version.fact.labels for version in facts.pods()] == [{}]
