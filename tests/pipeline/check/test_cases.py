"""Golden cases: manifests (and facts) give expected.json and, put right, fixed/ (--update-cases rewrites)."""

import shutil
from pathlib import Path

import orjson
import pytest

from pipeline.check.correct import corrected
from pipeline.check.registry import RULES
from pipeline.check.run import check
from pipeline.policy.load import Loaded, load_texts

CASES = sorted((Path(__file__).parents[2] / "cases" / "check").iterdir())


def loaded(directory: Path) -> Loaded:
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return load_texts((str(file.relative_to(directory)), file.read_bytes()) for file in files)


def findings(case: Path) -> list[dict[str, object]]:
    facts = [loaded(case / "facts")] if (case / "facts").exists() else []
    return [
        {
            "rule": each.lint.id,
            "place": f"{each.problem.file}:{each.problem.line}",
            "field": each.problem.field,
            "reason": each.problem.reason,
        }
        for each in sorted(check(loaded(case / "manifests"), facts), key=lambda each: each.problem)
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_check_finds_what_is_on_file_and_nothing_else(case, pytestconfig):
    found = findings(case)
    on_file = case / "expected.json"
    if pytestconfig.getoption("--update-cases"):
        on_file.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    assert found == orjson.loads(on_file.read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_has_one_right_answer_is_put_right_and_the_rest_stays_as_it_is(case, pytestconfig):
    fixed, manifests = case / "fixed", case / "manifests"
    texts = {file.name: corrected(file.read_bytes())[0] for file in sorted(manifests.iterdir())}
    changed = {name: text for name, text in texts.items() if text != (manifests / name).read_bytes()}
    if pytestconfig.getoption("--update-cases"):
        shutil.rmtree(fixed, ignore_errors=True)
        for name, text in changed.items():
            fixed.mkdir(exist_ok=True)
            (fixed / name).write_bytes(text)
    assert changed == ({file.name: file.read_bytes() for file in fixed.iterdir()} if fixed.exists() else {})


def test_every_rule_has_a_case():
    told = {each["rule"] for case in CASES for each in orjson.loads((case / "expected.json").read_bytes())}
    assert told == {lint.id for lint in RULES} - {"change-not-allowed"}  # by a comparison: test_check.py
