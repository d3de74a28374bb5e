"""What Calico's validator refuses is refused, what it takes is taken."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from pipeline.policy import schema_calico, schema_fields, schema_rules
from pipeline.policy.load import load_texts

CASES = orjson.loads((Path(__file__).parent / "data" / "selector_cases.json").read_bytes())["validator_cases"]
PARTS: dict[str, Any] = {
    "v3.EntityRule": schema_rules.EntityRule,
    "v3.Rule": schema_rules.Rule,
    "v3.ICMPFields": schema_rules.Icmp,
    "v3.HTTPMatch": schema_rules.Http,
    "v3.NetworkSetSpec": schema_calico.NetworkSetSpec,
}
NOT_LOADED = ("v3.ProfileSpec",)
# Why each of these cannot be told apart from a valid case stands in README.md.
AMBIGUOUS = ("should reject Rule with invalid port (name + number)",)


def _accepted(name: str, written: Any) -> bool:
    if name == "numorstring.Protocol":
        try:
            schema_fields.protocol(written)
        except ValueError:
            return False
        return True
    if name in PARTS:
        try:
            part = PARTS[name].model_validate(written)
        except ValidationError:
            return False
        return not list(part.checks())
    manifest = {"apiVersion": "projectcalico.org/v3", "kind": name.removeprefix("v3."), **written}
    return not load_texts([("case", orjson.dumps(manifest))]).problems


def test_all_cases_are_for_kinds_that_are_loaded_or_are_named_here() -> None:
    beside = [case["test"] for case in CASES if case["type"] in NOT_LOADED or case["test"] in AMBIGUOUS]
    assert len(CASES) == 148
    assert len(beside) == 4


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case["type"] not in NOT_LOADED and case["test"] not in AMBIGUOUS],
    ids=lambda case: f"{case['type']}: {case['test']}",
)
def test_the_validators_verdict_is_ours(case) -> None:
    assert _accepted(case["type"], case["object"]) is case["valid"]
