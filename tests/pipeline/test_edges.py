"""What messages add up to in the documents of each window, however they come."""

import json
from collections import Counter
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.edge_documents import hour_of_week
from pipeline.edges import roll_up
from pipeline.flow import Message
from pipeline.index_edges import templates
from pipeline.kept import EDGES, RULES
from tests.pipeline.edge_messages import HOUR, KEPT, NOW, START, Store, edge, message, rolled_up, rule

WINDOWS = ("interval", "hour", "day")
SUMS = ("flows", "connections", "bytes_client", "bytes_server", "packets_client", "packets_server")
FIVE_MINUTES = 300_000

edges = st.builds(
    lambda place, counts, said: edge(
        interval=START + place * FIVE_MINUTES,
        flows=counts[0],
        started=counts[1],
        bytes_in=counts[2],
        bytes_out=counts[3],
        last=START + counts[4],
        **said,
    ),
    st.integers(0, 11),
    st.tuples(*[st.integers(0, 2**62)] * 5),
    st.fixed_dictionaries(
        {
            "port": st.sampled_from([80, 443]),
            "impact": st.sampled_from(["none", "newly_denied"]),
            "peer_type": st.sampled_from(["wep", "net"]),
        }
    ),
)
logs = st.lists(st.lists(edges, min_size=1, max_size=4), min_size=1, max_size=8)


@given(logs, st.data())
def test_however_messages_are_split_and_read_again_the_documents_are_the_same(log, data):
    messages = [message(offset, each, [rule(flows=offset)]) for offset, each in enumerate(log)]
    whole = rolled_up(*messages)
    parts, end = Store(), 0
    while end < len(messages):
        begin = data.draw(st.integers(0, end))  # where those before it had committed
        end = data.draw(st.integers(end + 1, len(messages)))
        parts.roll_up(messages[begin:end])
    assert parts.documents == whole.documents
    assert parts.versions == whole.versions


@given(logs, st.data())
def test_a_worker_that_others_have_overtaken_changes_nothing(log, data):
    messages = [message(offset, each) for offset, each in enumerate(log)]
    store = rolled_up(*messages)
    before = dict(store.documents)
    end = data.draw(st.integers(1, len(messages)))
    for place, added in roll_up(messages[:end], KEPT, NOW).added.items():
        stale = store.get(place, ())._replace(version=0, figures={}).with_(added)
        assert not store.put(place, stale.version, added.document(stale.figures))
    assert store.documents == before


@given(logs)
def test_every_window_has_the_same_sums(log):
    store = rolled_up(*(message(offset, each) for offset, each in enumerate(log)))
    sums = [
        {name: sum(each[name] for each in store.of(window)) for name in ("flows", "connections")}
        for window in WINDOWS
    ]
    every = [each for observed in log for each in observed]
    if sum(each["flows"] for each in every) < 2**63 and sum(each["started"] for each in every) < 2**63:
        expected = {
            "flows": sum(each["flows"] for each in every),
            "connections": sum(each["started"] for each in every),
        }
        assert sums == [expected] * 3


def test_windows_are_as_long_as_they_say():
    day = START // (24 * HOUR) * 24 * HOUR
    store = rolled_up(message(0, [edge(interval=day + each * FIVE_MINUTES) for each in range(24)]))
    starts = Counter(each["window"] for each in store.documents.values())
    assert starts == {"interval": 24, "hour": 2, "day": 1}
    assert sorted(each["@timestamp"] for each in store.of("hour")) == [day, day + HOUR]


def test_an_edge_says_who_asked_whom_and_what_came_of_it():
    [document] = rolled_up(message(0, [edge()])).of("hour")
    identity = document.pop("edge")
    assert document == {
        "@timestamp": START,
        "cluster": "test",
        "window": "hour",
        "reporter": "dst",
        "action": "allow",
        "proto": "tcp",
        "source_type": "wep",
        "source_namespace": "client",
        "source_name_aggr": "web-*",
        "source_workload": "web",
        "dest_type": "wep",
        "dest_namespace": "shop",
        "dest_name_aggr": "api-7d9f-*",
        "dest_workload": "api",
        "dest_port": 8080,
        "workload": "shop/api",
        "counted": False,
        "hour_of_week": hour_of_week(START),
        "verdict": {
            "namespace": "shop",
            "direction": "ingress",
            "enforced": {"action": "allow", "tier": "default", "policy": "gnp:all"},
            "promoted": {"action": "deny"},
            "impact": "newly_denied",
            "staged_deny": ["sgnp:none"],
            "agrees": "yes",
        },
        "flows": 1,
        "connections": 1,
        "bytes_client": 100,
        "bytes_server": 10,
        "packets_client": 3,
        "packets_server": 2,
        "first": START - 1,
        "last": START + 1,
    }
    source = edge(
        reporter="src",
        direction="egress",
        workload="web-*",
        peer="api-7d9f-*",
        peer_namespace="shop",
    )
    [at_its_source] = rolled_up(message(0, [source], namespace="client")).of("hour")
    assert at_its_source["edge"] == identity
    assert at_its_source["counted"]
    assert (at_its_source["bytes_client"], at_its_source["bytes_server"]) == (10, 100)


def test_an_unjudged_edge_has_no_verdict():
    said = {"enforced": "unjudged", "promoted": "unjudged", "impact": "none", "unjudged": "forwarded"}
    [document] = rolled_up(message(0, [edge(**said, enforced_tier=None, enforced_policy=None)])).of("day")
    assert document["verdict"].keys() == {"namespace", "direction", "staged_deny", "unjudged", "agrees"}


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ({"reporter": "src", "direction": "egress"}, True),
        ({"reporter": "dst", "peer_type": "wep"}, False),
        ({"reporter": "dst", "peer_type": "net"}, True),
        ({"reporter": "dst", "peer_type": "hep"}, True),
        ({"reporter": "fwd", "direction": "forward"}, False),
    ],
)
def test_totals_take_what_both_sides_logged_once(said, counted):
    [document] = rolled_up(message(0, [edge(**said)])).of("hour")
    assert document["counted"] is counted


def test_addresses_outside_are_told_in_the_shortest_window_only():
    outside = [edge(peer="pub", peer_type="net", peer_namespace="", peer_ip=f"8.8.8.{n}") for n in range(3)]
    store = rolled_up(message(0, outside))
    assert sorted(each["source_ip"] for each in store.of("interval")) == ["8.8.8.0", "8.8.8.1", "8.8.8.2"]
    [hour] = store.of("hour")
    assert (hour["flows"], hour.get("source_ip"), hour["source_workload"]) == (3, None, "pub")


def test_topics_and_partitions_count_in_documents_of_their_own():
    logs = [
        message(5, [edge()]),
        message(5, [edge()], partition=1),
        message(5, [edge()], topic_id="made anew"),
    ]
    assert [each["flows"] for each in rolled_up(*logs).of("hour")] == [1, 1, 1]


def test_what_rules_matched_is_counted_by_hour():
    twice = [rule(flows=2, possible=1, last=START + 5), rule(interval=START + FIVE_MINUTES, flows=3)]
    store = rolled_up(message(0, [], twice))
    [document] = store.documents.values()
    assert document == {
        "@timestamp": START,
        "cluster": "test",
        "namespace": "shop",
        "reporter": "dst",
        "verdict": {"namespace": "shop"},
        "direction": "ingress",
        "tier": "default",
        "policy": "gnp:all",
        "rule": 0,
        "staged": False,
        "revision": "r1",
        "hits": 5,
        "possible_hits": 1,
        "connections": 2,
        "last_hit": START + 5,
    }


def test_a_late_edge_goes_to_those_windows_that_are_kept_still():
    days = 24 * HOUR
    late = roll_up(
        [message(0, [edge(interval=START - 5 * days)], [rule(interval=START - 60 * days)])], KEPT, NOW
    )
    assert late.aged_out == {"interval": 1, "rules": 1}
    assert sorted(place.index.split(".")[2] for place in late.added) == ["day", "hour"]


@pytest.mark.parametrize("interval", [-(2**63), -1, 2**63 - 1])
def test_a_window_that_no_index_can_have_is_left_out(interval):
    assert not roll_up([message(0, [edge(interval=interval)])], KEPT, NOW).added


def test_what_cannot_be_read_is_counted_and_the_rest_added():
    torn = Message(b"{", "topic", 0, 0, 0)
    rolled = roll_up([torn, message(1, [edge()])], KEPT, NOW)
    assert rolled.unreadable == {"unreadable": 1}
    assert len(rolled.added) == len(WINDOWS)


def test_sums_end_at_what_elasticsearch_takes():
    many = message(0, [edge(bytes_in=2**63 - 1), edge(bytes_in=2**63 - 1)])
    assert {each["bytes_client"] for each in rolled_up(many).documents.values()} == {2**63 - 1}


@pytest.mark.parametrize(
    ("moment", "hour"),
    [("2026-11-23T00:00", 0), ("2026-11-23T01:00", 1), ("2026-11-29T23:59", 167), ("1970-01-01T00:00", 72)],
)
def test_hours_of_the_week_begin_on_monday(moment, hour):
    assert hour_of_week(int(datetime.fromisoformat(f"{moment}Z").timestamp()) * 1000) == hour


def test_every_field_of_the_documents_is_in_the_template():
    known = edge(service="api", service_namespace="shop", domains=["a.b"], threats=["feed"], unknown=["pod"])
    known |= {"staged_allow": ["a"], "staged_unknown": ["b"], "unjudged": "c", "peer_ip": "10.0.0.1"}
    store = rolled_up(message(0, [known], [rule()]))
    for document in store.documents.values():
        name = EDGES if "window" in document else RULES
        properties = templates(1, 0)[name]["template"]["mappings"]["properties"]
        assert set(_names(document)) <= set(_fields(properties)), json.dumps(document)
    assert {name for each in store.documents.values() for name in _names(each)} >= {"source_ip", "threats"}


def _names(document, prefix=""):
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _fields(properties, prefix=""):
    for name, mapping in properties.items():
        if "properties" in mapping:
            yield from _fields(mapping["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name
