"""Rules are counted where they match, whether they decide or not."""

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings

from pipeline.decode import decode
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.observe import observe
from pipeline.policy.policies import Policies
from pipeline.recommend.offline import NO_THREATS
from tests.pipeline.test_judge import BATCHES, REVISIONS, known, policies

INTERVAL_MS = 300_000
FLOW = {
    "start_time": 1_760_000_000,
    "end_time": 1_760_000_300,
    "reporter": "src",
    "action": "allow",
    "proto": "tcp",
    "source_type": "wep",
    "source_namespace": "shop",
    "source_name_aggr": "web-*",
    "source_labels": {"labels": ["app=web"]},
    "dest_type": "net",
    "dest_name_aggr": "pub",
    "dest_ip": "203.0.113.7",
    "dest_port": 443,
    "num_flows": 5,
    "num_flows_started": 3,
}
NET = {"destination": {"nets": ["203.0.113.0/24"]}}
PORT = {"protocol": "TCP", "destination": {"ports": [443]}}


def policy(name: str, *egress: dict[str, Any], order: int = 0, staged: bool = False) -> dict[str, Any]:
    spec = {"order": order, "selector": "all()", "types": ["Egress"], "egress": list(egress)}
    kind = "StagedGlobalNetworkPolicy" if staged else "GlobalNetworkPolicy"
    return {"kind": kind, "metadata": {"name": name}, "spec": spec}


def observed(judge: Judge, flows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages."""
    batch = decode([Message("\n".join(map(json.dumps, flows)).encode(), "topic", 0, 0, 0)]).batch
    resolved = judge.resolve(batch)
    verdicts = judge.evaluate(batch, resolved)
    return [json.loads(value) for _, value in observe(batch, verdicts, resolved, INTERVAL_MS, 0, NO_THREATS)]


def judge_of(*listed: dict[str, Any]) -> Judge:
    return Judge(policies(list(listed)), Facts(), "test", 0, 4096)


def hits(messages: list[dict[str, Any]]) -> dict[tuple[str, int], tuple[int, int]]:
    """Flows that match for certain, and that may, by policy and rule."""
    return {
        (rule["policy"], rule["rule"]): (rule["flows"], rule["possible"])
        for message in messages
        for rule in message["rules"]
    }


def test_log_rules_rules_below_a_decision_and_staged_ones_count() -> None:
    judge = judge_of(
        policy("first", {"action": "Log"} | NET, {"action": "Allow"} | NET, {"action": "Deny"} | PORT),
        policy(
            "below",
            {"action": "Deny"},
            {"action": "Deny", "destination": {"ports": [80]}} | {"protocol": "TCP"},
            order=1,
        ),
        policy("first", {"action": "Deny"} | PORT, staged=True),
    )
    assert hits(observed(judge, [FLOW, FLOW])) == {
        ("gnp:first", 0): (2, 0),
        ("gnp:first", 1): (2, 0),
        ("gnp:first", 2): (2, 0),
        ("gnp:below", 0): (2, 0),
        ("sgnp:first", 0): (2, 0),
    }


def test_a_log_rule_decides_nothing_enforced_or_staged() -> None:
    log = {"action": "Log"}
    flows = [FLOW, FLOW]
    plain = judge_of(policy("p", {"action": "Allow"}), policy("p", {"action": "Deny"}, staged=True))
    logging = judge_of(
        policy("p", log, {"action": "Allow"}), policy("p", log, {"action": "Deny"}, staged=True)
    )
    (with_log,), (without,) = observed(logging, flows), observed(plain, flows)
    assert with_log["edges"] == without["edges"]
    assert with_log["edges"][0]["staged_deny"] == ["sgnp:p"]


def test_a_flow_that_lacks_what_a_rule_asks_for_may_match_it() -> None:
    judge = judge_of(policy("p", {"action": "Allow"} | NET, {"action": "Deny"} | PORT))
    unaddressed = FLOW | {"dest_ip": None}
    (message,) = observed(judge, [unaddressed, FLOW])
    assert hits([message]) == {("gnp:p", 0): (1, 1), ("gnp:p", 1): (2, 0)}
    connections = {rule["rule"]: rule["connections"] for rule in message["rules"]}
    assert connections == {0: 3, 1: 6}


def test_a_rule_is_named_as_in_traces_and_counted_by_window() -> None:
    judge = judge_of(policy("p", {"action": "Deny", "protocol": "UDP"}, {"action": "Allow"}))
    later = FLOW | {"start_time": 1_760_000_300, "end_time": 1_760_000_410}
    (message,) = observed(judge, [FLOW, later, later | {"end_time": 1_760_000_405}])
    same = {"direction": "egress", "tier": "default", "policy": "gnp:p", "rule": 1, "staged": False}
    assert sorted(message["rules"], key=lambda rule: rule["interval"]) == [
        same
        | {"interval": 1_760_000_100_000, "flows": 1, "possible": 0, "connections": 3}
        | {"last": 1_760_000_300_000},
        same
        | {"interval": 1_760_000_400_000, "flows": 2, "possible": 0, "connections": 6}
        | {"last": 1_760_000_410_000},
    ]


def test_rules_are_counted_for_the_namespace_of_the_judged_side() -> None:
    judge = judge_of(policy("p", {"action": "Allow"}))
    messages = observed(judge, [FLOW, FLOW | {"source_namespace": "bank"}, FLOW])
    counted = {message["namespace"]: message["rules"][0]["flows"] for message in messages}
    assert counted == {"shop": 2, "bank": 1}


def test_a_hosts_flow_to_its_own_pod_and_a_forwarded_one_match_no_rule() -> None:
    ingress = {"selector": "all()", "types": ["Ingress"], "ingress": [{"action": "Allow"}]}
    judge = judge_of({"kind": "GlobalNetworkPolicy", "metadata": {"name": "p"}, "spec": ingress})
    side = {"dest_type": "wep", "dest_namespace": "shop", "dest_name_aggr": "web-*"}
    probe = FLOW | side | {"reporter": "dst", "source_type": "hep", "source_namespace": "-", "host": "node-1"}
    own, other = probe | {"source_name_aggr": "node-1"}, probe | {"source_name_aggr": "node-2"}
    assert hits(observed(judge, [own, FLOW | {"reporter": "fwd"}])) == {}
    assert hits(observed(judge, [own, other])) == {("gnp:p", 0): (1, 0)}


def test_many_rules_are_told_in_messages_that_kafka_takes() -> None:
    judge = judge_of(*(policy(f"policy-{n:04}-{'x' * 200}", {"action": "Allow"}) for n in range(2_000)))
    messages = observed(judge, [FLOW])
    assert len(messages) > 1
    assert all(len(json.dumps(message)) < 800_000 for message in messages)
    assert len(hits(messages)) == 2_000


@settings(deadline=None)
@given(REVISIONS, BATCHES)
def test_what_many_flows_match_is_the_sum_of_what_each_matches(revisions: list[Policies], batch) -> None:
    flows = [json.loads(message.value) for message in batch]
    together, apart = (Counter[tuple[Any, ...]]() for _ in range(2))
    judge = Judge(revisions[0], known(), "test", 0, 4096)
    for counter, parts in ((together, [flows]), (apart, [[flow] for flow in flows])):
        for part in parts:
            for message in observed(judge, part):
                for rule in message["rules"]:
                    name = message["namespace"], *(rule[key] for key in ("direction", "policy", "rule"))
                    counter[*name, "certain"] += rule["flows"]
                    counter[*name, "possible"] += rule["possible"]
    assert together == apart


def test_sets_of_rules_do_not_fill_the_memory_and_are_counted_all_the_same(monkeypatch) -> None:
    monkeypatch.setattr("pipeline.judge.MAX_RULES", 50)
    ports = range(1, 41)
    rules = [{"action": "Allow", "protocol": "TCP", "destination": {"ports": [port]}} for port in ports]
    judge = judge_of(policy("p", *rules, {"action": "Log"}))
    found, most = Counter[tuple[str, int]](), 0
    for port in ports:
        batch = [FLOW | {"dest_port": port}, FLOW | {"dest_port": 50_000}]
        found += Counter({name: flows for name, (flows, _) in hits(observed(judge, batch)).items()})
        assert judge._evaluator
        most = max(most, judge._evaluator.rule_sets.held)
    assert 50 < most < 55
    assert found == {("gnp:p", number): 1 for number in range(len(rules))} | {
        ("gnp:p", len(rules)): 2 * len(ports)
    }


def test_rules_that_very_many_flows_match_come_in_parts_that_add_up(monkeypatch) -> None:
    monkeypatch.setattr("pipeline.observed_rules.AT_ONCE", 1)
    judge = judge_of(policy("p", {"action": "Log"}, {"action": "Allow"} | PORT, {"action": "Deny"}))
    (message,) = observed(judge, [FLOW, FLOW | {"dest_port": 80}, FLOW])
    found: Counter[int] = Counter()
    for rule in message["rules"]:
        found[rule["rule"]] += rule["flows"]
    assert found == {0: 3, 1: 2, 2: 3}
    assert len(message["rules"]) > len(found)
