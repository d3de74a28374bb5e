"""Observations: what they say, that nothing is lost in them, and how large they get."""

import json
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.decode import decode
from pipeline.facts import Facts
from pipeline.flow import FlowBatch, Message
from pipeline.match.verdict import Decision, Outcome, Verdicts
from pipeline.observe import MAX_BYTES, observe
from pipeline.policy.policies import NetworkSet, Policies
from pipeline.policy.selector import parse
from pipeline.recommend.offline import NO_THREATS
from pipeline.resolve import Resolver
from pipeline.threats import Threats

SCHEMA = Path(__file__).parents[2] / "docs/schemas/flow-observations.v3.json"
INTERVAL_MS = 300_000
WAY = "0|security|gnp:shop|allow|0"
ALLOWED = Decision("allow", (WAY,), "security", "gnp:shop", 0)
NEWLY_DENIED = Outcome(
    "shop", "egress", ALLOWED, ALLOWED, Decision("deny"), "newly_denied", staged_deny=("snp:shop/cart",)
)
OUTCOMES = [
    NEWLY_DENIED,
    Outcome("shop", "egress", Decision("deny"), Decision("deny"), Decision("deny")),
    Outcome("shop", "forward", None, None, None, unjudged="forwarded"),
    replace(NEWLY_DENIED, enforced=replace(ALLOWED, trace=(WAY[:-1] + "1",), rule=1)),
]
FLOW = {
    "start_time": 1_760_000_000,
    "end_time": 1_760_000_300,
    "reporter": "src",
    "action": "allow",
    "proto": "tcp",
    "source_type": "wep",
    "source_namespace": "shop",
    "source_name": "-",
    "source_name_aggr": "frontend-*",
    "dest_type": "wep",
    "dest_namespace": "shop",
    "dest_name": "-",
    "dest_name_aggr": "cart-*",
    "dest_port": 7070,
    "dest_service_name": "cart",
    "dest_service_namespace": "shop",
    "bytes_in": 10,
    "bytes_out": 20,
    "packets_in": 1,
    "packets_out": 2,
    "num_flows": 3,
    "num_flows_started": 2,
    "num_flows_completed": 1,
}
SUMS = {
    "connections": "num_flows",
    "started": "num_flows_started",
    "completed": "num_flows_completed",
    "bytes_in": "bytes_in",
    "bytes_out": "bytes_out",
    "packets_in": "packets_in",
    "packets_out": "packets_out",
}


def batch_of(flows: list[dict[str, Any]]) -> FlowBatch:
    value = "\n".join(map(json.dumps, flows)).encode()
    decoded = decode([Message(value, "topic", 0, 0, 0)])
    assert not decoded.rejects
    return decoded.batch


def observed(
    batch: FlowBatch, verdicts: Verdicts, threats: Threats = NO_THREATS, changed_at: int = 0
) -> list[tuple[str, bytes]]:
    """The messages where no facts are known."""
    resolved = Resolver(Facts(), Policies("r1")).resolve(batch)
    return observe(batch, verdicts, resolved, INTERVAL_MS, changed_at, threats)


def edges_of(
    flows: list[dict[str, Any]], outcomes: list[int] | None = None, **options: Any
) -> list[dict[str, Any]]:
    verdicts = Verdicts("r1", np.array(outcomes or [0] * len(flows), np.int64), OUTCOMES)
    values = [json.loads(value) for _, value in observed(batch_of(flows), verdicts, **options)]
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(values[0])
    return [edge | {"namespace": value["namespace"]} for value in values for edge in value["edges"]]


def test_an_edge_says_what_its_flows_have_in_common_and_what_they_sum_up_to() -> None:
    later = FLOW | {"start_time": 1_760_000_300, "end_time": 1_760_000_350}
    assert edges_of([FLOW, later]) == [
        {
            "namespace": "shop",
            "direction": "egress",
            "reporter": "src",
            "workload": "frontend-*",
            "workload_type": "wep",
            "peer": "cart-*",
            "peer_type": "wep",
            "peer_namespace": "shop",
            "peer_ip": None,
            "protocol": 6,
            "port": 7070,
            "service": "cart",
            "service_namespace": "shop",
            "domains": None,
            "interval": 1_760_000_100_000,
            "flows": 2,
            "connections": 6,
            "started": 4,
            "completed": 2,
            "bytes_in": 20,
            "bytes_out": 40,
            "packets_in": 2,
            "packets_out": 4,
            "first": 1_760_000_000_000,
            "last": 1_760_000_350_000,
            "own_host": False,
            "example": "topic-0-0-1",
            "logged": "allow",
            "enforced": "allow",
            "enforced_tier": "security",
            "enforced_policy": "gnp:shop",
            "promoted": "deny",
            "impact": "newly_denied",
            "staged_deny": ["snp:shop/cart"],
            "staged_allow": [],
            "staged_unknown": [],
            "unknown": [],
            "unjudged": None,
            "agrees": "none_logged",
            "threats": [],
        }
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"dest_port": 7071},
        {"proto": "udp"},
        {"dest_name_aggr": "checkout-*"},
        {"dest_namespace": "other"},
        {"source_name_aggr": "loadgenerator-*"},
        {"reporter": "dst"},
        {"dest_service_name": "other"},
        {"dest_domains": ["example.org"]},
        {"end_time": 1_760_000_400},
        {"action": "deny"},
        {"action": None},
    ],
    ids=str,
)
def test_flows_that_differ_in_what_a_rule_or_a_window_can_tell_are_two_edges(change) -> None:
    assert len(edges_of([FLOW, FLOW | change])) == 2


def test_pods_of_one_workload_are_one_edge() -> None:
    pods = [FLOW | {"source_name": f"frontend-{i}", "source_ip": f"10.0.0.{i}"} for i in range(5)]
    assert [edge["flows"] for edge in edges_of(pods)] == [5]


def test_addresses_outside_the_cluster_are_edges_of_their_own() -> None:
    net = FLOW | {"dest_type": "net", "dest_namespace": "-", "dest_name_aggr": "pub"}
    edges = edges_of([net | {"dest_ip": "192.0.2.1"}, net | {"dest_ip": "192.0.2.2"}])
    assert {edge["peer_ip"] for edge in edges} == {"192.0.2.1", "192.0.2.2"}


def test_what_the_destination_reported_is_an_edge_of_its_namespace() -> None:
    (edge,) = edges_of([FLOW | {"reporter": "dst", "dest_namespace": "carts"}])
    assert (edge["namespace"], edge["direction"], edge["workload"], edge["peer"]) == (
        "carts",
        "ingress",
        "cart-*",
        "frontend-*",
    )


def test_forwarded_flows_without_a_namespace_have_a_key_too() -> None:
    (edge,) = edges_of([FLOW | {"reporter": "fwd", "source_namespace": "-", "source_type": "net"}], [2])
    assert (edge["namespace"], edge["direction"], edge["enforced"]) == ("-", "forward", "unjudged")


def test_a_batch_of_no_flows_teaches_nothing() -> None:
    assert observed(decode([]).batch, Verdicts("r1", np.empty(0, np.int64), [])) == []


FLOWS = st.lists(
    st.fixed_dictionaries(
        {
            "reporter": st.sampled_from(["src", "dst", "fwd"]),
            "source_namespace": st.sampled_from(["shop", "carts", "-"]),
            "dest_name_aggr": st.sampled_from(["cart-*", "checkout-*"]),
            "dest_port": st.sampled_from([80, 443, None]),
            "bytes_in": st.integers(0, 2**53),
            "bytes_out": st.integers(0, 2**53),
            "num_flows": st.integers(0, 2**31),
            "action": st.sampled_from(["allow", "deny"]),
        }
    ).map(lambda change: FLOW | change),
    min_size=1,
    max_size=30,
)


@settings(deadline=None, max_examples=50)
@given(FLOWS, st.randoms())
def test_all_edges_together_sum_up_to_the_batch(flows: list[dict[str, Any]], random: Random) -> None:
    outcomes = [random.randrange(len(OUTCOMES)) for _ in flows]
    edges = edges_of(flows, outcomes)
    assert sum(edge["flows"] for edge in edges) == len(flows)
    for name, field in SUMS.items():
        assert sum(edge[name] for edge in edges) == sum(flow[field] for flow in flows)
    assert flows_by(edges, "logged") == Counter(flow["action"] for flow in flows)
    impacts = Counter(OUTCOMES[outcome].impact for outcome in outcomes)
    assert flows_by(edges, "impact") == impacts


def flows_by(edges: list[dict[str, Any]], name: str) -> Counter[str]:
    """Flows of edges by one of their words."""
    found: Counter[str] = Counter()
    for edge in edges:
        found[edge[name]] += edge["flows"]
    return found


def test_what_the_node_denied_is_never_in_one_edge_with_what_it_allowed() -> None:
    edges = edges_of([FLOW, FLOW | {"action": "deny", "bytes_in": 1}, FLOW])
    assert [(edge["logged"], edge["bytes_in"]) for edge in edges] == [("allow", 20), ("deny", 1)]


def test_flows_of_other_verdicts_are_other_edges_but_the_way_to_a_verdict_is_none() -> None:
    edges = edges_of([FLOW] * 4, [0, 1, 3, 0])
    assert sorted((edge["enforced"], edge["impact"], edge["flows"]) for edge in edges) == [
        ("allow", "newly_denied", 3),
        ("deny", "none", 1),
    ]


def test_flows_over_which_the_revision_changed_are_edges_of_their_own_where_they_disagree() -> None:
    denied = FLOW | {"action": "deny"}
    edges = edges_of(
        [denied, denied | {"start_time": 1_760_000_100, "end_time": 1_760_000_299}],
        changed_at=1_760_000_050_000,
    )
    assert {edge["agrees"] for edge in edges} == {"stale", "action"}


FEEDS = Threats(
    (
        NetworkSet("", "feodo", (("threat-feed", "feodo"),), (ip_network("192.0.2.0/24"),)),
        NetworkSet("shop", "own", (("threat-feed", "own"),), (ip_network("192.0.2.7/32"),)),
        NetworkSet("", "partners", (("partner", "yes"),), (ip_network("0.0.0.0/0"),)),
    ),
    parse("has(threat-feed)"),
)


@pytest.mark.parametrize(
    ("peer", "threats"),
    [
        ({"dest_ip": "192.0.2.7"}, ["feodo", "shop/own"]),
        ({"dest_ip": "192.0.2.8"}, ["feodo"]),
        ({"dest_ip": "198.51.100.1"}, []),
        ({"dest_ip": None}, []),
        ({"dest_type": "ns", "dest_name_aggr": "feodo", "dest_ip": None}, ["feodo"]),
        ({"dest_type": "ns", "dest_namespace": "shop", "dest_name_aggr": "own"}, ["shop/own"]),
        ({"dest_type": "ns", "dest_name_aggr": "partners", "dest_ip": "192.0.2.8"}, ["feodo"]),
        ({"dest_name_aggr": "feodo"}, []),
    ],
    ids=str,
)
def test_a_peer_in_a_threat_feed_or_that_is_one_is_marked(peer, threats) -> None:
    net = FLOW | {"dest_type": "net", "dest_namespace": "-", "dest_name_aggr": "pub"}
    (edge,) = edges_of([net | peer], threats=FEEDS)
    assert edge["threats"] == threats


def test_the_own_side_is_never_a_threat_and_pods_of_a_workload_are_marked_one_by_one() -> None:
    pods = [FLOW | {"source_ip": "192.0.2.7", "dest_ip": ip} for ip in ("192.0.2.7", "10.0.0.1", "10.0.0.2")]
    edges = edges_of(pods, threats=FEEDS)
    assert sorted((edge["flows"], edge["threats"]) for edge in edges) == [(1, ["feodo", "shop/own"]), (2, [])]


def test_a_host_that_asks_its_own_pod_is_told_from_all_others() -> None:
    probe = FLOW | {"reporter": "dst", "source_type": "hep", "source_namespace": "-", "host": "node-1"}
    flows = [probe | {"source_name_aggr": "node-1"}, probe | {"source_name_aggr": "node-2"}]
    private = probe | {"source_type": "net", "source_name_aggr": "pvt"}
    assert [edge["own_host"] for edge in edges_of([*flows, private])] == [True, False, None]


def test_messages_stay_far_below_what_kafka_takes_and_lose_nothing() -> None:
    net = FLOW | {"dest_type": "net", "dest_name_aggr": "pub", "dest_domains": ["x" * 600] * 20}
    flows = [net | {"dest_ip": f"192.0.{i // 250}.{i % 250}"} for i in range(300)]
    verdicts = Verdicts("r1", np.zeros(len(flows), np.int64), OUTCOMES)
    messages = observed(batch_of(flows), verdicts)
    assert len(messages) > 1
    assert all(len(value) < MAX_BYTES + 50_000 for _, value in messages)
    assert sum(len(json.loads(value)["edges"]) for _, value in messages) == len(flows)


def labels(app: str, pod: str) -> dict[str, list[str]]:
    return {"labels": [f"app={app}", f"pod={pod}", "tier=shop"]}


def test_a_message_says_of_each_of_its_workloads_once_what_labels_its_endpoints_have_in_common() -> None:
    pods = [
        FLOW
        | {"source_name": f"frontend-{n}", "dest_name_aggr": name, "dest_name": f"{name}{n}"}
        | {
            "source_labels": labels("frontend", f"frontend-{n}"),
            "dest_labels": labels(name[:-2], f"{name}{n}"),
        }
        for n in range(2)
        for name in ("cart-*", "checkout-*")
    ]
    batch = batch_of(pods)
    verdicts = Verdicts("r1", np.zeros(len(pods), np.int64), OUTCOMES)
    ((_, value),) = observed(batch, verdicts)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(value))
    assert json.loads(value)["workloads"] == [
        {"type": "wep", "namespace": "shop", "name": name, "labels": {"app": name[:-2], "tier": "shop"}}
        for name in ("frontend-*", "cart-*", "checkout-*")
    ]


def test_of_what_is_no_workload_no_labels_are_said() -> None:
    batch = batch_of([FLOW | {"dest_type": "net", "dest_name_aggr": "pub", "dest_namespace": "-"}])
    verdicts = Verdicts("r1", np.zeros(1, np.int64), OUTCOMES)
    ((_, value),) = observed(batch, verdicts)
    assert [each["name"] for each in json.loads(value)["workloads"]] == ["frontend-*"]


def test_every_message_describes_the_workloads_of_its_own_edges() -> None:
    flows = [
        FLOW | {"dest_name_aggr": f"peer-{n}-*", "dest_port": port, "dest_domains": ["x" * 600] * 20}
        for n in range(10)
        for port in range(1, 31)
    ]
    batch = batch_of(flows)
    verdicts = Verdicts("r1", np.zeros(len(flows), np.int64), OUTCOMES)
    messages = observed(batch, verdicts)
    assert len(messages) > 1
    for _, value in messages:
        message = json.loads(value)
        told = [each["name"] for each in message["workloads"]]
        assert len(told) == len(set(told))
        assert set(told) == {edge[name] for edge in message["edges"] for name in ("workload", "peer")}
