"""Golden cases: base/, head/, flows.ndjson (and facts/) give expected.json and expected.md (rewritten by
--update-cases)."""

import os
from pathlib import Path

import msgspec
import orjson
import pytest
from click.testing import CliRunner

from pipeline.cli.whatif import whatif
from pipeline.whatif.report import Report

CASES = sorted((Path(__file__).parents[2] / "cases" / "whatif").iterdir())


def told(case: Path, form: str) -> bytes:
    facts = ["--facts", "facts"] if (case / "facts").is_dir() else []
    before = Path.cwd()
    os.chdir(case)
    try:
        done = CliRunner().invoke(whatif, ["base", "head", "flows.ndjson", *facts, form])
    finally:
        os.chdir(before)
    assert done.exit_code == 0, done.output
    return done.stdout_bytes


def readable(report: bytes) -> bytes:
    return orjson.dumps(orjson.loads(report), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_has_the_effect_on_file(case: Path, pytestconfig: pytest.Config) -> None:
    found = {"expected.json": readable(told(case, "--json")), "expected.md": told(case, "--markdown")}
    for name, text in found.items():
        if pytestconfig.getoption("--update-cases"):
            (case / name).write_bytes(text)
        assert (case / name).read_bytes() == text
    assert msgspec.json.decode(found["expected.json"], type=Report, strict=True).flows > 0
