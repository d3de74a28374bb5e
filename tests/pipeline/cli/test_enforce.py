"""Golden cases: `flowtier enforce ARGUMENTS --in .` in before/ leaves after/ and says said.txt, the exit code
last (after/ and said.txt are rewritten by --update-cases)."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli.enforce import enforce
from pipeline.policy.edit_write import WriteError, write_files
from pipeline.policy.load import load_paths
from pipeline.user_error import UserError
from tests.pipeline.test_cases import CASES as JUDGED
from tests.pipeline.test_cases import verdicts_of

CASES = sorted((Path(__file__).parents[2] / "cases" / "enforce").iterdir())


def files_of(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """The exit code, what is said on both outputs, and what is on the standard one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = CliRunner().invoke(enforce, [*arguments, "--in", "."])
    finally:
        os.chdir(before)
    if isinstance(done.exception, UserError):
        return 2, f"flowtier: {done.exception}\n", ""
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output, done.stdout


@pytest.fixture
def folder(tmp_path: Path, case: Path) -> Path:
    """A copy of the case's files."""
    shutil.copytree(case / "before", tmp_path / "files")
    return tmp_path / "files"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gives_its_files_and_says_what_was_done(case, folder, pytestconfig) -> None:
    code, said, _ = run(folder, *(case / "arguments").read_text().split())
    told = f"{said}exit code {code}\n"
    if pytestconfig.getoption("--update-cases"):
        shutil.rmtree(case / "after", ignore_errors=True)
        shutil.copytree(folder, case / "after")
        (case / "said.txt").write_text(told)
    assert told == (case / "said.txt").read_text()
    assert files_of(folder) == files_of(case / "after")
    assert code == 2 or load_paths([folder]).problems == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_second_time_changes_nothing(case, folder) -> None:
    arguments = (case / "arguments").read_text().split()
    run(folder, *arguments)
    once = files_of(folder)
    run(folder, *arguments)
    assert files_of(folder) == once


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_dry_run_shows_what_would_be_written_and_writes_nothing(case, folder) -> None:
    arguments = [each for each in (case / "arguments").read_text().split() if each != "--dry-run"]
    before = files_of(folder)
    code, _, _ = run(folder, *arguments, "--dry-run")
    assert files_of(folder) == before
    if code == 2:
        return
    _, _, dry = run(folder, *arguments, "--dry-run", "--json")
    _, _, done = run(folder, *arguments, "--json")
    told, wrote = json.loads(dry), json.loads(done)
    assert (told["files"], told["policies"]) == (wrote["files"], wrote["policies"])
    after = files_of(folder)
    assert {each["file"] for each in wrote["files"]} == {
        name for name in before if before[name] != after.get(name)
    }


@pytest.mark.parametrize("case", sorted(JUDGED.iterdir()), ids=lambda case: case.name)
def test_enforcing_all_gives_flows_the_verdicts_that_were_promoted(case, tmp_path) -> None:
    for file in ("manifests.yaml", "flows.ndjson"):
        shutil.copy(case / file, tmp_path)
    promoted = decided(tmp_path, "promoted")
    assert run(tmp_path, "--all")[0] == 0
    assert decided(tmp_path, "enforced") == decided(tmp_path, "promoted") == promoted


def decided(folder: Path, scope: str) -> list[tuple[Any, ...]]:
    """Action, tier, rule and the name of the policy that decides, of every flow."""
    verdicts: list[Any] = [each[scope] for each in verdicts_of(folder)]
    return [
        (each["action"], each.get("tier"), each.get("rule"), str(each.get("policy")).removeprefix("s"))
        for each in verdicts
    ]


def test_a_single_file_is_enforced_with_the_kustomization_beside_it(tmp_path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources:\n- above.yaml\n")
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "kustomization.yaml").write_text("resources:\n- p.yaml\n- q.yaml\n")
    manifest = "apiVersion: projectcalico.org/v3\nkind: StagedGlobalNetworkPolicy\nmetadata: {name: p}\n"
    (tmp_path / "team" / "p.yaml").write_text(manifest + "spec: {stagedAction: Delete}\n")
    done = CliRunner().invoke(enforce, ["sgnp:p", "--in", str(tmp_path / "team" / "p.yaml")])
    assert done.exit_code == 0, done.output
    assert files_of(tmp_path / "team") == {"kustomization.yaml": b"resources:\n- q.yaml\n"}


def test_a_file_that_was_changed_meanwhile_keeps_all_as_they_are(tmp_path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("changed")
    with pytest.raises(WriteError, match="two was changed meanwhile: nothing was written"):
        write_files({one: b"1", two: b"2"}, {one: b"new", two: None})
    assert files_of(tmp_path) == {"one": b"1", "two": b"changed"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a user whose files others may not replace")
def test_files_are_put_back_where_one_of_them_cannot_be_replaced() -> None:
    nobody = 65534
    with tempfile.TemporaryDirectory() as name:
        own, others = Path(name, "own"), Path(name, "others")
        own.mkdir()
        others.mkdir()
        (own / "file").write_text("1")
        (others / "file").write_text("2")
        Path(name).chmod(0o755)
        for path in (own, own / "file"):
            os.chown(path, nobody, nobody)
        others.chmod(0o1777)  # sticky: new files are for everyone, those of root for root
        os.seteuid(nobody)
        try:
            with pytest.raises(WriteError, match="Operation not permitted; nothing was written"):
                write_files(
                    {own / "file": b"1", others / "file": b"2"}, {own / "file": b"3", others / "file": b"4"}
                )
        finally:
            os.seteuid(0)
        assert files_of(Path(name)) == {"own/file": b"1", "others/file": b"2"}
