"""Policy hits that Calico's own tests read, write or refuse, and what its checker makes of scopes."""

from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.identity import Identity
from pipeline.match.reference import CompleteFlow, Party, decide
from pipeline.match.trace import UNKNOWN_RULE, HitError, parse_hit
from pipeline.policy.policies import MODEL_KINDS, Policies, Policy, PolicyKey, Rule, Tier
from pipeline.policy.selector import ALL
from tests.pipeline.match.strategies import ADDRESSES

KINDS = {model: kind for kind, model in MODEL_KINDS.items()}
ANSWERS = {"OK": "allow", "PERMISSION_DENIED": "deny"}


@cache
def cases() -> dict[str, Any]:
    return orjson.loads((Path(__file__).parent / "data" / "trace_cases.json").read_bytes())


def expressible() -> list[Any]:
    """Those without a policy that is missing from the store: Policies are whole."""
    return [
        case
        for case in cases()["checker_policy_scope"]
        if not any(policy.get("missing") for tier in case["tiers"] for policy in tier["policies"])
    ]


@pytest.mark.parametrize("text", cases()["hit_string_valid"])
def test_a_valid_hit_is_read_and_written_again(text):
    assert str(parse_hit(text)) == text


@pytest.mark.parametrize("text", cases()["hit_string_invalid"])
def test_an_invalid_hit_is_refused(text):
    with pytest.raises(HitError):
        parse_hit(text)


@pytest.mark.parametrize("case", cases()["flow_log_policy_names"], ids=lambda case: case["test"])
def test_a_policy_is_named_as_in_flow_logs(case):
    hit = parse_hit(f"0|{case['flowLogPolicyName']}|{case['ruleIndex']}")
    assert str(hit) == f"0|{case['flowLogPolicyName']}|{case['ruleIndex']}"
    assert (hit.kind, hit.name, hit.action) == (KINDS.get(case["kind"], "pro"), case["name"], case["action"])
    assert hit.namespace == ("" if hit.kind == "pro" else case["namespace"])


@pytest.mark.parametrize(
    "case", cases()["legacy_v3_30"]["flow_log_policy_names"], ids=lambda case: case["test"]
)
def test_a_policy_of_an_older_flow_log_is_known_by_its_kind_and_name(case):
    hit = parse_hit(f"0|{case['flowLogPolicyName']}")
    assert (hit.action, hit.rule) == (case["action"], UNKNOWN_RULE)
    assert ("staged:" in case["name"]) == (hit.kind in ("sgnp", "snp", "sknp"))
    assert hit.name.endswith(case["name"].removeprefix("staged:").removeprefix("knp.default."))
    assert hit.namespace == ("" if hit.kind == "pro" else case["namespace"])


@pytest.mark.parametrize("text", cases()["legacy_v3_30"]["hit_string_valid"])
def test_an_older_hit_keeps_all_but_its_spelling(text):
    index, tier, name, action, rule = text.split("|")
    hit = parse_hit(text)
    assert (str(hit.index), hit.tier, hit.action, str(hit.rule)) == (index, tier, action, rule)
    assert hit.name.split(".")[-1] == name.split(".")[-1].removeprefix("staged:")
    assert parse_hit(str(hit)) == hit


@pytest.mark.parametrize("case", expressible(), ids=lambda case: case["test"])
@pytest.mark.parametrize("scope", ["enforced", "pending"])
def test_scopes_decide_as_calicos_checker(case, scope):
    pod = Identity("wep", (), profiles=("kns.default",))
    party = Party(pod, ADDRESSES[4][0])
    flow = CompleteFlow(party, party, 6, 40000, 80)
    decision = decide(policies_of(case), (), (), flow, case["direction"], scope)
    assert decision.action == ANSWERS[case[scope]]


def policies_of(case: dict[str, Any]) -> Policies:
    tiers = tuple(
        Tier(tier["tier"], order, tier["defaultAction"].lower()) for order, tier in enumerate(case["tiers"])
    )
    policies = tuple(
        Policy(
            key=PolicyKey(KINDS[policy["kind"]], "", policy["name"]),
            tier=tier["tier"],
            order=order,
            selector=ALL,
            types=frozenset({case["direction"]}),
            ingress=tuple(Rule(rule["action"]) for rule in policy["ingress"]),
        )
        for tier in case["tiers"]
        for order, policy in enumerate(tier["policies"])
    )
    return Policies("revision", tiers, policies)
