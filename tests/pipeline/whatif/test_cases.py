"""Golden cases: base/, head/, flows.ndjson (and facts/) give expected.json and expected.md (rewritten by
--update-cases)."""

import os
from pathlib import Path

import msgspec
import orjson
import pytest
from click.testing import CliRunner

from pipeline import flow_parts
from pipeline.cli.whatif import whatif
from pipeline.whatif.report import Report

CASES = sorted((Path(__file__).parents[2] / "cases" / "whatif").iterdir())


def told(case: Path, form: str, flows: str = "flows.ndjson") -> bytes:
    facts = ["--facts", "facts"] if (case / "facts").is_dir() else []
    before = Path.cwd()
    os.chdir(case)
    try:
        done = CliRunner().invoke(whatif, ["base", "head", flows, *facts, form])
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_files_that_are_read_in_parts_say_the_same(case, monkeypatch) -> None:
    monkeypatch.setattr(flow_parts, "BLOCK", 2048)
    assert without_examples(told(case, "--json")) == without_examples((case / "expected.json").read_bytes())


@pytest.mark.parametrize("block", [2048, 1 << 20])
def test_the_flow_that_a_change_shows_is_one_of_it(block, monkeypatch, tmp_path) -> None:
    (case,) = (case for case in CASES if case.name == "the-sample-cluster-with-batch-closed")
    monkeypatch.setattr(flow_parts, "BLOCK", block)
    report = msgspec.json.decode(told(case, "--json"), type=Report)
    flows = (case / "flows.ndjson").read_bytes().splitlines()
    alone = tmp_path / "flow.ndjson"
    for line in report.lines:
        name, offset, row = line.example.rsplit("-", 2)
        assert name == "file-0"
        alone.write_bytes(flows[int(offset) + int(row)])
        of_it = msgspec.json.decode(told(case, "--json", str(alone)), type=Report)
        assert [(each.change, each.edge) for each in of_it.lines] == [(line.change, line.edge)]


def without_examples(report: bytes) -> Report:
    found = msgspec.json.decode(report, type=Report)
    return msgspec.structs.replace(
        found, lines=[msgspec.structs.replace(line, example="") for line in found.lines]
    )
