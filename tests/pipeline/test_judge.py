"""Judges that got ready after another judge say what one says that knows of no other."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.policy.load import load_texts
from pipeline.policy.policies import Policies
from pipeline.policy.revision import to_policies
from pipeline.process import process
from tests.pipeline.resolving import CLUSTER

SELECTORS = ("all()", "app == 'web'", "has(canary)", "feed == 'x'", "projectcalico.org/namespace == 'shop'")
PORTS = (80, 8080, "8000:8100", "http")


@st.composite
def rules(draw) -> dict[str, Any]:
    to: dict[str, Any] = {"selector": draw(st.sampled_from(SELECTORS))}
    kind = draw(st.sampled_from(("plain", "ports", "service", "nets")))
    rule = {"action": draw(st.sampled_from(("Allow", "Deny", "Pass")))}
    if kind == "ports":
        to["ports"] = [draw(st.sampled_from(PORTS))]
        rule["protocol"] = "TCP"
    if kind == "service":
        to = {"services": {"name": draw(st.sampled_from(("web", "db"))), "namespace": "shop"}}
    if kind == "nets":
        to = {"nets": [draw(st.sampled_from(("10.0.0.0/24", "203.0.113.0/25", "0.0.0.0/0")))]}
    return rule | {"destination": to}


@st.composite
def resources(draw) -> dict[str, Any]:
    name = draw(st.sampled_from("abcd"))
    if draw(st.integers(0, 3)) == 0:
        nets = [draw(st.sampled_from(("203.0.113.0/24", "203.0.113.0/26", "10.0.0.0/30")))]
        metadata = {"name": "threats", "labels": {"feed": draw(st.sampled_from("xy"))}}
        return {"kind": "GlobalNetworkSet", "metadata": metadata, "spec": {"nets": nets}}
    spec = {
        "order": draw(st.integers(0, 2)),
        "selector": draw(st.sampled_from(SELECTORS)),
        "types": ["Ingress", "Egress"],
        "egress": draw(st.lists(rules(), max_size=2)),
        "ingress": [{"action": "Allow", "source": {"selector": draw(st.sampled_from(SELECTORS))}}],
    }
    kind = draw(st.sampled_from(("GlobalNetworkPolicy", "StagedGlobalNetworkPolicy")))
    return {"kind": kind, "metadata": {"name": name}, "spec": spec}


def policies(listed: list[dict[str, Any]]) -> Policies:
    texts = {
        f"{each['kind']}/{each['metadata']['name']}": {"apiVersion": "projectcalico.org/v3"} | each
        for each in listed
    }
    return to_policies(load_texts((name, json.dumps(text).encode()) for name, text in texts.items()))


REVISIONS = st.lists(st.lists(resources(), min_size=1, max_size=5).map(policies), min_size=2, max_size=4)
ENDS = (
    {"type": "wep", "namespace": "shop", "name": "web-7d4-x", "name_aggr": "web-7d4-*", "ip": "10.0.0.1"},
    {"type": "wep", "namespace": "shop", "name": "-", "name_aggr": "web-7d4-*"},
    {
        "type": "wep",
        "namespace": "shop",
        "name": "-",
        "name_aggr": "gone-*",
        "labels": {"labels": ["app=web"]},
    },
    {"type": "net", "namespace": "-", "name": "-", "name_aggr": "pub", "ip": "203.0.113.7"},
    {"type": "ns", "namespace": "-", "name": "-", "name_aggr": "threats", "ip": "203.0.113.130"},
    {"type": "net", "namespace": "-", "name": "-", "name_aggr": "pub"},
)


@st.composite
def flows(draw) -> bytes:
    source, dest = draw(st.sampled_from(ENDS)), draw(st.sampled_from(ENDS))
    record = {
        "start_time": 300,
        "end_time": 400,
        "reporter": draw(st.sampled_from(("src", "dst"))),
        "action": "allow",
        "proto": draw(st.sampled_from(("tcp", "udp"))),
        "source_port": 1024,
        "dest_port": draw(st.sampled_from((79, 80, 8080, 8099, 8101))),
        **{f"source_{name}": value for name, value in source.items()},
        **{f"dest_{name}": value for name, value in dest.items()},
    }
    return json.dumps(record).encode()


BATCHES = st.lists(flows(), min_size=1, max_size=8).map(
    lambda lines: [Message(line, "flows", 0, n, 0) for n, line in enumerate(lines)]
)


def known() -> Facts:
    return Facts.from_resources(CLUSTER)


def documents(judge: Judge, batch: list[Message]) -> list[dict[str, Any]]:
    return [json.loads(document.body) for document in process(batch, judge, None, Limits()).documents]


@settings(deadline=None)
@given(REVISIONS, st.lists(BATCHES, min_size=3, max_size=6), st.integers(0, 30))
def test_a_judge_that_got_ready_after_others_says_what_one_says_afresh(revisions, batches, turn) -> None:
    facts = known()
    judge: Judge | None = None
    for revision in revisions:
        following = Judge(revision, facts, "test", 0, 4096)
        for number, _ in enumerate(following.get_ready(judge)):
            if judge and number == turn:  # the one before judges on meanwhile
                documents(judge, batches[-1])
        judge = following
        afresh = Judge(revision, known(), "test", 0, 4096)
        for batch in batches[: 1 + turn % len(batches)]:
            assert documents(judge, batch) == documents(afresh, batch)


def test_what_was_judged_of_late_is_judged_before_it_is_asked_for() -> None:
    facts = known()
    batch = [Message(json.dumps(FLOW).encode(), "flows", 0, 0, 0)]
    one, other = (
        policies([{"kind": "GlobalNetworkPolicy", "metadata": {"name": name}, "spec": {}}]) for name in "ab"
    )
    before, after = (Judge(revision, facts, "test", 0, 4096) for revision in (one, other))
    documents(before, batch)
    list(after.get_ready(before))
    assert after.recent == before.recent
    assert set(after.recent) <= set(after._remembered)


FLOW = {
    "start_time": 300,
    "end_time": 400,
    "reporter": "src",
    "proto": "tcp",
    "dest_port": 80,
    **{f"source_{name}": value for name, value in ENDS[0].items()},
    **{f"dest_{name}": value for name, value in ENDS[3].items()},
}


def test_pods_that_come_and_go_do_not_fill_the_memory_and_change_no_verdict(monkeypatch) -> None:
    monkeypatch.setattr("pipeline.judge.FEW_SIDES", 100)
    monkeypatch.setattr("pipeline.judge.RECENT", 20)
    listed = [
        {"kind": "GlobalNetworkPolicy", "metadata": {"name": "p"}, "spec": {"selector": "app == 'web'"}}
    ]
    judge = Judge(policies(listed), Facts(), "c", 0, 4096)
    said, most = set(), 0
    for rollout in range(100):
        value = b"\n".join(json.dumps(_of_a_pod(rollout, pod)).encode() for pod in range(20))
        processed = process([Message(value, "t", 0, rollout, 0)], judge, None, Limits())
        said |= {document.body[document.body.index(b'"verdict"') :] for document in processed.documents}
        most = max(most, judge.resolver.remembered)
    assert len(said) == 1
    assert 100 < most < 2 * 4 * 61 + 20  # of 2,000: the sides of late are those of 60 classes at most


def _of_a_pod(rollout: int, number: int) -> dict[str, Any]:
    labels = {"labels": ["app=web", f"pod-template-hash={rollout:010}"]}
    return {
        "start_time": 300,
        "end_time": 400,
        "reporter": "src",
        "proto": "tcp",
        "dest_port": 80,
        "source_type": "wep",
        "source_namespace": "shop",
        "source_name": f"web-{rollout:010}-{number}",
        "source_labels": labels,
        "source_ip": f"10.0.{rollout}.{number}",
        "dest_type": "net",
        "dest_name_aggr": "pub",
        "dest_ip": "203.0.113.9",
    }
