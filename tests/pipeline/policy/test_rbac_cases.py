"""Cases as data: questions.yaml of manifests.yaml, and which changes from base/ to head/ are refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from pipeline.cli.can_i import can_i
from pipeline.cli.can_i_report import CanI
from pipeline.policy.load import load_paths
from pipeline.policy.rbac import Rbac, Who
from pipeline.policy.rbac_changes import refused_changes
from pipeline.policy.revision import to_policies
from tests.kubernetes.rbac_requests import Asked, allowed_by_flowtier

CASES = Path(__file__).parents[2] / "cases" / "rbac"
QUESTIONS = [
    pytest.param(file.parent, question, id=f"{file.parent.name}-{number}")
    for file in sorted(CASES.glob("*/questions.yaml"))
    for number, question in enumerate(yaml.safe_load(file.read_text()))
]
REFUSED = [
    pytest.param(file.parent, author, id=f"{file.parent.name}-{author['as']}")
    for file in sorted(CASES.glob("changes/*/refused.yaml"))
    for author in yaml.safe_load(file.read_text())
]


def arguments(case: Path, question: dict[str, Any]) -> list[str]:
    given = [question["verb"], question["policy"], "--as", question["as"], "--rbac", str(case), "--json"]
    given += [word for group in question.get("groups", ()) for word in ("--group", group)]
    for name in ("tier", "to_tier"):
        given += [f"--{name.replace('_', '-')}", question[name]] if name in question else []
    return given


@pytest.mark.parametrize(("case", "question"), QUESTIONS)
def test_a_question_has_its_answer_and_what_is_missing_is_named(case, question) -> None:
    done = CliRunner().invoke(can_i, arguments(case / "manifests.yaml", question), catch_exceptions=False)
    report = msgspec.json.decode(done.stdout_bytes, type=CanI)
    assert (report.allowed, done.exit_code) == (question["allowed"], 0 if question["allowed"] else 1)
    lacking = [each.permission for each in report.permissions if each.granted_by is None]
    assert bool(lacking) != question["allowed"]
    if "lacking" in question:
        assert lacking == question["lacking"]
    if "tiers" in question:
        assert list(report.tiers) == question["tiers"]


@pytest.mark.parametrize(("case", "author"), REFUSED)
def test_a_change_is_refused_with_file_line_and_words(case, author) -> None:
    """By the RBAC of base/: head/ gives the author more, which does not count."""
    base, head = (load_paths([case / side]) for side in ("base", "head"))
    refused = refused_changes(base, head, Who.of(author["as"], author.get("groups", ())))
    said = [str(each.problem).replace(f"{case}/", "") for each in refused]
    assert said == author["refused"]


@pytest.mark.parametrize("question", yaml.safe_load((CASES / "kubectl" / "requests.yaml").read_text()))
def test_a_request_to_kubernetes_has_the_answer_that_kubernetes_gives(question) -> None:
    rbac = Rbac.of(load_paths([CASES / "kubectl" / "manifests.yaml"]))
    assert allowed_by_flowtier(rbac, Asked.of(question)) == question["allowed"]


def test_of_what_is_in_force_only_the_meaning_is_compared() -> None:
    """It has no files: whoever is refused is told the resource's key instead."""
    base, head = (load_paths([CASES / "changes/a-pull-request" / side]) for side in ("base", "head"))
    refused = refused_changes(replace(base, places={}), head, Who.of("dan", ["developers"]))
    assert "NetworkPolicy/shop/labelled" not in {each.resource for each in refused}
    (deleted,) = (each for each in refused if each.resource == "GlobalNetworkPolicy//deleted")
    assert (deleted.verb, deleted.problem.file) == ("delete", "GlobalNetworkPolicy//deleted")


def test_rbac_is_no_part_of_a_revision() -> None:
    """Nor does it judge any traffic."""
    whole = load_paths([CASES / "changes/a-pull-request/base"])
    policies = load_paths([CASES / "changes/a-pull-request/base/policies"])
    assert len(whole.rbac) == 3
    assert to_policies(whole) == to_policies(policies)
    assert not whole.passed_over
