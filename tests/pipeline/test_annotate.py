import json
from typing import Any

import numpy as np
import pytest

from pipeline.annotate import annotate, tally
from pipeline.decode import decode
from pipeline.match.verdict import Decision, Outcome, Verdicts
from tests.pipeline.flow_records import RECORD, TOPIC_ID, message, record

ALLOW = Decision("allow", ("0|default|np:data/db|allow|0",), "default", "np:data/db", 0)
OTHER_RULE = Decision("allow", ("0|default|np:data/db|allow|1",), "default", "np:data/db", 1)
OTHER_POLICY = Decision("allow", ("0|default|gnp:all|allow|0",), "default", "gnp:all", 0)
LATER_IN_TRACE = Decision(
    "allow", ("0|a|gnp:x|pass|0", *("1|default|np:data/db|allow|0",)), "default", "np:data/db", 0
)
WAYS_DIFFER = Decision("allow")
DENY = Decision("deny", ("0|default|snp:data/db|deny|-1",), "default", "snp:data/db", -1)
UNKNOWN = Decision("unknown")
BEFORE = 0  # the revision was in force before the flow began
START, END = RECORD["start_time"] * 1000, RECORD["end_time"] * 1000


def outcome(enforced: Decision | None = ALLOW, **changes: Any) -> Outcome:
    return Outcome("data", "ingress", **{"enforced": enforced, "pending": ALLOW, "promoted": ALLOW} | changes)


def document(flow: bytes, judged: Outcome, changed_at: int = BEFORE) -> dict[str, Any]:
    batch = decode([message(flow)]).batch
    (written,) = annotate(batch, Verdicts("r1", np.zeros(1, np.int64), [judged]), "prod", changed_at)
    return json.loads(written.body)


def test_a_document_is_the_flow_untouched_with_the_verdict_beside_it():
    judged = outcome(
        promoted=DENY,
        impact="newly_denied",
        staged_deny=("snp:data/db",),
        staged_unknown=("sgnp:x",),
        unknown=("dest_ip",),
    )
    assert document(record(), judged) == RECORD | {
        "@timestamp": 1_700_000_300_000,
        "cluster": "prod",
        "verdict": {
            "namespace": "data",
            "direction": "ingress",
            "enforced": {
                "action": "allow",
                "trace": ["0|default|np:data/db|allow|0"],
                "tier": "default",
                "policy": "np:data/db",
                "rule": 0,
            },
            "pending": {
                "action": "allow",
                "trace": ["0|default|np:data/db|allow|0"],
                "tier": "default",
                "policy": "np:data/db",
                "rule": 0,
            },
            "promoted": {
                "action": "deny",
                "trace": ["0|default|snp:data/db|deny|-1"],
                "tier": "default",
                "policy": "snp:data/db",
                "rule": -1,
            },
            "impact": "newly_denied",
            "staged_deny": ["snp:data/db"],
            "staged_unknown": ["sgnp:x"],
            "unknown": ["dest_ip"],
            "agrees": "yes",
            "revision": "r1",
        },
    }


def test_id_and_daily_index_depend_on_the_flow_alone():
    flows = b"\n".join((record(end_time=1_700_006_399), record(end_time=1_700_006_400)))
    batch = decode([message(flows, 42)]).batch
    documents = annotate(batch, Verdicts("r1", np.zeros(2, np.int64), [outcome()]), "prod", BEFORE)
    assert [(each.id, each.index) for each in documents] == [
        (f"{TOPIC_ID}-0-42-0", "flowtier_flows.prod.20231114"),
        (f"{TOPIC_ID}-0-42-1", "flowtier_flows.prod.20231115"),
    ]


def test_a_flow_that_is_not_judged_says_why_and_nothing_else():
    judged = Outcome("data", "forward", None, None, None, unjudged="forwarded")
    assert document(record(reporter="fwd"), judged)["verdict"] == {
        "namespace": "data",
        "direction": "forward",
        "unjudged": "forwarded",
        "revision": "r1",
    }


def test_an_unknown_verdict_has_no_trace_and_agrees_with_nobody():
    verdict = document(record(), outcome(UNKNOWN, impact="unknown", unknown=("pod",)))["verdict"]
    assert verdict["enforced"] == {"action": "unknown"}
    assert "agrees" not in verdict


def test_a_record_without_times_says_whose_time_it_has():
    written = document(record(start_time=..., end_time=...), outcome())
    assert written["@timestamp"] == 1_700_000_300_000
    assert written["verdict"]["time_from"] == "kafka"


def logged(*hits: str) -> dict[str, Any]:
    return {"policies": {"enforced_policies": list(hits)}}


SAME = logged("0|default|np:data/db|allow|0")
AGREEMENT = {
    "the same": (SAME, ALLOW, BEFORE, "yes"),
    "the same, in the older grammar": (logged("0|default|data/default.db|allow|0"), ALLOW, BEFORE, "yes"),
    "the same at another place of the trace": (SAME, LATER_IN_TRACE, BEFORE, "yes"),
    "the node does not say the rule": (logged("0|default|np:data/db|allow|-2"), OTHER_RULE, BEFORE, "yes"),
    "our completions differ on the way": (SAME, WAYS_DIFFER, BEFORE, "yes"),
    "no action logged, the same hits": (SAME | {"action": None}, ALLOW, BEFORE, "yes"),
    "another action": (SAME, DENY, BEFORE, "action"),
    "another action, no hits logged": ({"policies": None}, DENY, BEFORE, "action"),
    "another rule": (SAME, OTHER_RULE, BEFORE, "rule"),
    "another policy": (SAME, OTHER_POLICY, BEFORE, "rule"),
    "another action, the revision came within": (SAME, DENY, START, "stale"),
    "another rule, the revision came within": (SAME, OTHER_RULE, START + 1, "stale"),
    "the same, the revision came within": (SAME, ALLOW, START + 1, "yes"),
    "another rule, the revision came just before": (SAME, OTHER_RULE, START - 1, "rule"),
    "another rule, the revision came at the end": (SAME, OTHER_RULE, END, "stale"),
    "another rule, the revision came after": (SAME, OTHER_RULE, END + 1, "rule"),
    "no hits logged": ({"policies": None}, ALLOW, BEFORE, "none_logged"),
    "hits that cannot be read": (logged("nonsense"), ALLOW, BEFORE, "none_logged"),
    "nothing logged": ({"policies": None, "action": None}, DENY, BEFORE, "none_logged"),
    "ours is unknown": (SAME, UNKNOWN, BEFORE, None),
}


@pytest.mark.parametrize("case", AGREEMENT)
def test_agreement_compares_the_action_and_then_what_decided(case):
    changes, decision, changed_at, expected = AGREEMENT[case]
    assert document(record(**changes), outcome(decision), changed_at)["verdict"].get("agrees") == expected


def test_a_tally_counts_every_flow_once_and_no_others():
    flows = [record(), record(), record(action="deny"), record(policies=None), record()]
    batch = decode([message(b"\n".join(flows))]).batch
    outcomes = [
        outcome(impact="newly_denied", staged_deny=("snp:a", "snp:b")),
        outcome(UNKNOWN, impact="unknown", unknown=("pod",)),
        outcome(DENY, staged_allow=("snp:never-met",)),
    ]
    counts = tally(batch, Verdicts("r1", np.array([0, 0, 0, 0, 1]), outcomes), BEFORE)
    assert counts.action == {"allow": 4, "unknown": 1}
    assert counts.agrees == {"yes": 2, "action": 1, "none_logged": 1}
    assert counts.impact == {"newly_denied": 4, "unknown": 1}
    assert counts.unknown == {"pod": 1}
    assert counts.staged_deny == {"snp:a": 4, "snp:b": 4}
    assert counts.staged_allow == {}


def test_no_flows_are_no_documents():
    verdicts = Verdicts("r1", np.zeros(0, np.int64), [])
    assert annotate(decode([]).batch, verdicts, "prod", BEFORE) == []
    assert tally(decode([]).batch, verdicts, BEFORE).action == {}
