"""What others are known to get wrong (PEERS.md §2 and §4): manifests.yaml, flows.ndjson and options.json of
each case give proposed.yaml and told.txt (rewritten by --update-cases)."""

import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import yaml

from pipeline.policy.load import load_texts
from pipeline.recommend.recommendation import Options, Recommendation
from tests.pipeline.recommend.learning import Cluster, yaml_of

CASES = sorted((Path(__file__).parents[2] / "cases" / "recommend").iterdir())
CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def recommendations_of(case: Path) -> list[Recommendation]:
    flows = [orjson.loads(line) for line in (case / "flows.ndjson").read_bytes().splitlines()]
    file = case / "options.json"
    options = Options(**json.loads(file.read_text())) if file.exists() else Options()
    return Cluster.of((case / "manifests.yaml").read_bytes()).recommend(flows, options)


def told(recommendation: Recommendation) -> Iterator[str]:
    """What is said beside a manifest, as far as its words are no matter of time."""
    yield recommendation.name
    for rule in recommendation.rules:
        seen = rule.evidence.connections if rule.evidence else 0
        yield f"  {rule.direction} {rule.rule}: {rule.says} ({seen} connections)"
        yield from (f"      widened: {rule.widening}" for _ in [0] if rule.widening)
        yield from (f"      risk: {rule.risk}" for _ in [0] if rule.risk)
    for aside in recommendation.set_aside:
        yield f"  set aside: {aside.says} ({aside.connections} connections): {aside.reason}"
    yield from (f"  warning: {warning}" for warning in recommendation.warnings)


def outcome(case: Path) -> dict[str, str]:
    found = recommendations_of(case)
    lines = [line for each in found for line in told(each)]
    return {"proposed.yaml": yaml_of(found), "told.txt": "\n".join(lines) + "\n"}


@CASE
def test_a_known_failure_of_others_gives_what_is_on_file(case, pytestconfig):
    found = outcome(case)
    if pytestconfig.getoption("--update-cases"):
        for name, text in found.items():
            (case / name).write_text(text)
    assert found == {name: (case / name).read_text() for name in found}


@CASE
def test_what_is_proposed_is_staged_policies_that_calico_takes(case):
    text = (case / "proposed.yaml").read_bytes()
    loaded = load_texts([("proposed.yaml", text)])
    loaded.require()
    assert loaded.warnings == ()
    proposed = [document["kind"] for document in yaml.safe_load_all(text)]
    assert set(proposed) == {"StagedNetworkPolicy"}
    assert len(loaded.policies) == len(proposed)


@CASE
def test_every_case_says_why_it_is_there(case):
    assert (case / "why.txt").read_text().strip().endswith(".")
