"""`flowtier check` says what it found in each form, by its exit code, and never with a traceback."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import orjson
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft4Validator

from pipeline.check.as_json import CheckReport
from pipeline.check.registry import RULES
from pipeline.cli.check import check
from pipeline.cli.sources import Source, facts_of
from pipeline.facts import Facts
from pipeline.policy.load import Loaded, load_paths

ROOT = Path(__file__).parents[2]
CASES = ROOT / "cases" / "check"
SARIF = orjson.loads((ROOT / "schemas" / "sarif-2.1.0.json").read_bytes())
POLICY = (CASES / "pass-leads-nowhere" / "manifests" / "all.yaml").read_text()
MIB = 2**20
NOBODY = 65534


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(check, [str(each) for each in arguments], obj=None)


def said(path: Path) -> str:
    """The one line that is said of a directory, beside what the rule means."""
    result = run(path)
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(str(path))][:-1]
    return line.removeprefix(f"{path}/")


@pytest.mark.parametrize(
    ("case", "options", "code"),
    [
        ("reachable-after-all", [], 0),
        ("refused", [], 1),
        ("pass-leads-nowhere", [], 0),
        ("pass-leads-nowhere", ["--strict"], 1),
        ("staged-equals-enforced", ["--strict"], 0),
    ],
)
def test_errors_fail_the_check_warnings_only_if_strict_and_notes_never(case, options, code):
    assert run(CASES / case / "manifests", *options).exit_code == code


def test_what_is_not_there_is_a_mistake_of_use():
    result = run("no-such-directory")
    assert str(result.exception) == (
        "no-such-directory: there is no such directory or file, and it is no git revision REV:PATH"
    )


def test_the_text_has_a_line_for_each_finding_and_says_once_what_its_rule_means():
    manifests = CASES / "unreachable-in-tier" / "manifests"
    lines = run(manifests).stdout.splitlines()
    assert lines[0] == (
        f"{manifests}/all.yaml:27: warning unreachable-policy: spec: nothing reaches this policy: "
        f"rule 0 of gnp:quarantine ({manifests}/all.yaml:19) denies all that its endpoints do"
    )
    assert len([line for line in lines if line.startswith("unreachable-policy (warning): ")]) == 1
    assert lines[-1] == f"{manifests}: 2 warnings in 4 resources"


def test_the_json_is_one_document_of_the_documented_form():
    result = run(CASES / "refused" / "manifests", "--json")
    report = msgspec.json.decode(result.stdout, type=CheckReport)
    expected = orjson.loads((CASES / "refused" / "expected.json").read_bytes())
    assert report.failed
    assert [(each.rule, each.field) for each in report.findings] == [
        (each["rule"], each["field"]) for each in expected
    ]


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_the_sarif_meets_its_schema_and_names_rule_file_and_line(case, monkeypatch):
    monkeypatch.chdir(case)
    document = orjson.loads(run("manifests", "--format", "sarif").stdout)
    assert not list(Draft4Validator(SARIF).iter_errors(document))
    (sarif,) = document["runs"]
    rules = [rule["id"] for rule in sarif["tool"]["driver"]["rules"]]
    assert rules == [lint.id for lint in RULES]
    for result in sarif["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert Path(place["artifactLocation"]["uri"]).is_file()
        assert place["region"]["startLine"] >= 1


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_the_junit_fails_a_test_for_each_finding_that_counts(case):
    result = run(case / "manifests", "--format", "junit", "--strict")
    suites = ET.fromstring(result.stdout)
    failures = suites.findall(".//failure")
    assert suites.get("failures") == str(len(failures))
    assert suites.get("tests") == str(len(suites.findall(".//testcase")))
    assert bool(failures) == (result.exit_code == 1)


def test_facts_from_elsewhere_tell_which_workloads_and_tiers_there_are():
    manifests, facts = (CASES / "selector-matches-nothing" / name for name in ("manifests", "facts"))
    rule = "warning selector-matches-nothing: "
    assert rule not in run(manifests).stdout
    assert rule in run(manifests, "--facts", facts).stdout


class Cluster:
    """A cluster in which the case's facts are in force."""

    facts_of_case = CASES / "selector-matches-nothing" / "facts"

    def policies(self) -> Loaded:
        return Loaded()

    def facts(self) -> Facts:
        return facts_of([Source("facts", load_paths([self.facts_of_case]))])


def test_facts_of_the_cluster_tell_the_same():
    manifests = CASES / "selector-matches-nothing" / "manifests"
    by_files = run(manifests, "--facts", Cluster.facts_of_case).stdout
    by_cluster = CliRunner().invoke(check, [str(manifests), "--facts", "cluster"], obj=Cluster()).stdout
    assert by_cluster == by_files


def test_a_git_revision_is_checked_as_the_directory_was(tmp_path, monkeypatch):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "all.yaml").write_text(POLICY)
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    (folder / "all.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    assert run("HEAD:policies").stdout.startswith("HEAD:policies/all.yaml:23: warning pass-leads-nowhere")
    document = orjson.loads(run("HEAD:policies", "--format", "sarif").stdout)
    place = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "policies/all.yaml"
    assert "--fix writes files" in run("HEAD:policies", "--fix").stderr


def test_fix_writes_what_has_one_right_answer_and_checks_what_is_left(tmp_path):
    case = CASES / "corrected"
    for file in (case / "manifests").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    result = run(tmp_path, "--fix", "--json")
    report = msgspec.json.decode(result.stdout, type=CheckReport)
    assert {Path(each.file).name for each in report.findings if each.severity == "error"} == {"left.yaml"}
    assert f"{tmp_path}/stored.yaml:11: spec.ingress[0].action: allow ▸ Allow" in result.stderr
    for file in (case / "fixed").iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert run(tmp_path, "--fix").stderr == ""


def test_rules_lists_what_is_looked_for():
    lines = run("--rules").stdout.splitlines()
    assert [line.split(" ")[0] for line in lines[::2]] == [lint.id for lint in RULES]


def test_a_file_that_is_written_by_half_is_named_with_its_line(tmp_path):
    (tmp_path / "a.yaml").write_text(POLICY[: POLICY.index("[Ingress, Egress]") + 9])
    assert said(tmp_path) == "a.yaml:17: error refused: file: is no YAML: did not find expected node content"


def test_aliases_that_explode_are_refused(tmp_path):
    bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    bomb += [
        f"{one}: &{one} [{', '.join(['*' + other] * 9)}]"
        for other, one in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (tmp_path / "a.yaml").write_text("\n".join([POLICY + "---", *bomb]))
    assert "aliases stand for more than 100000 values" in said(tmp_path)


def test_a_file_of_100_mb_is_refused_unread(tmp_path):
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(100 * MIB)
    assert said(tmp_path) == (
        "a.yaml:1: error refused: file: is larger than 64 MiB: not read, split it into smaller files"
    )


@pytest.mark.parametrize(
    ("leads_to", "reason"),
    [
        ("../outside.yaml", "is a link that leaves the directory: not followed"),
        ("..", "is a link to a directory: not followed"),
        ("nothing.yaml", "is a link to nothing that is there"),
        ("link.yaml", "is a link to nothing that is there"),
    ],
)
def test_links_that_are_not_followed_are_named(tmp_path, leads_to, reason):
    (tmp_path / "outside.yaml").write_text(POLICY)
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "link.yaml").symlink_to(leads_to)
    result = run(folder)
    assert result.stdout.splitlines()[0] == f"{folder}/link.yaml:1: warning taken-otherwise: file: {reason}"
    assert result.exit_code == 0


def test_a_link_to_a_file_of_the_directory_is_read_and_stays_a_link(tmp_path):
    (tmp_path / ".kept").mkdir()
    target = tmp_path / ".kept" / "a.yaml"
    target.write_text(POLICY.replace("action: Deny", "action: deny"))
    link = tmp_path / "a.yaml"
    link.symlink_to(".kept/a.yaml")
    assert run(tmp_path, "--fix").exit_code == 0
    assert link.is_symlink()
    assert "action: Deny" in target.read_text()


def test_json_that_is_nested_without_end_is_refused(tmp_path):
    deep = "[" * 900 + "]" * 900
    about = '"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "a"}'
    policy = f'{{{about}, "spec": %s}}'
    (tmp_path / "a.json").write_text(policy % deep)
    assert said(tmp_path).startswith("a.json:1: error refused: ")


def test_a_folder_that_cannot_be_read_is_named(open_to_all):
    (open_to_all / "closed").mkdir(mode=0)
    with as_nobody():
        assert said(open_to_all) == "closed:1: error refused: file: cannot be read: Permission denied"


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_checked(open_to_all):
    (open_to_all / "closed.yaml").touch(mode=0)
    (open_to_all / "wrong.yaml").write_text("kind: NetworkPolicy\nmetadata: {}")
    with as_nobody():
        result = run(open_to_all)
    assert "closed.yaml:1: error refused: file: cannot be read: Permission denied" in result.stdout
    assert "wrong.yaml:1: error refused: apiVersion: required" in result.stdout


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that every user may read: pytest's own are their user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    """What root may read is no test: it becomes somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_change_that_its_author_may_not_make_is_an_error_at_its_place():
    case = ROOT / "cases" / "rbac" / "changes" / "a-pull-request"
    result = run(case / "head", "--base", case / "base", "--as", "nobody", "--json")
    report = msgspec.json.decode(result.stdout, type=CheckReport)
    refused = [each for each in report.findings if each.rule == "change-not-allowed"]
    assert refused
    assert all("which nobody may not: nothing grants" in each.reason for each in refused)
    assert "need each other" in run(case / "head", "--as", "nobody").stderr
