"""`flowtier whatif` as it is typed: what it answers, how it ends, and what it says to a mistake."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.in_force import TopicsInForce
from deploy.demo.generate import INTERVAL, SEED, window_until, write_sample
from pipeline.cli.whatif import whatif
from pipeline.user_error import UserError
from tests.agents.installation import FLOWTIER
from tests.benchmarks.inputs import LONG_AGO
from tests.pipeline.test_git import git

CASES = Path(__file__).parents[2] / "cases" / "whatif"
CLOSED = "shop/web > shop/db-0 tcp/6379"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(whatif, [str(each) for each in arguments], obj=TopicsInForce())


def mistake(*arguments: str | Path) -> str:
    """What is said to whom it may concern, with exit code 2."""
    done = run(*arguments)
    if isinstance(done.exception, UserError):
        return str(done.exception)
    assert done.exit_code == 2, done.output
    return done.stderr


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A port is taken away: base, head, flows.ndjson in the current folder."""
    folder = tmp_path / "case"
    shutil.copytree(CASES / "a-port-is-taken-away", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory):
    """The sample cluster and its flows of a day."""
    folder = tmp_path_factory.mktemp("sample")
    return write_sample(folder, window_until(LONG_AGO, 26, INTERVAL), 5_000, SEED)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--max-newly-denied", "1"], 0),
        (["--max-newly-denied", "0"], 1),
        (["--max-newly-allowed", "0", "--max-unknown", "0"], 0),
        (["--max-newly-denied", "0", "--allow-edge", CLOSED], 0),
        (["--max-newly-denied", "0", "--allow-edge", "shop/web>shop/db-0"], 0),
        (["--max-newly-denied", "0", "--allow-edge", "shop/* → * tcp/*"], 0),
        (["--max-newly-denied", "0", "--allow-edge", "shop/web > shop/db-0 tcp/5432"], 1),
        (["--max-newly-denied", "0", "--allow-edge", "ops/* > *"], 1),
    ],
)
def test_limits_and_expected_edges_decide_the_exit_code(case, options, code) -> None:
    done = run("base", "head", "flows.ndjson", *options)
    assert done.exit_code == code, done.output
    assert ("1 edges are newly denied, 0 may be" in done.stderr) is (code == 1)


def test_the_text_says_what_decides_now_and_then(case) -> None:
    said = " ".join(run("base", "head", "flows.ndjson").stdout.replace("│", " ").split())
    assert "base ▸ head: 1 edge newly denied (3 connections, 900 B); 4 recorded flows judged." in said
    assert "shop/web → shop/db-0 tcp/6379" in said
    assert "at its destination: allow by np:shop/db-in rule 0 ▸ deny by np:shop/db-in end of tier" in said


def test_revisions_of_git_are_compared_without_a_work_tree(case) -> None:
    git(case, "init")
    for number, side in enumerate(("base", "head")):
        shutil.copytree(side, "policies", dirs_exist_ok=True)
        git(case, "add", "policies")
        git(case, "commit", "-m", side)
        git(case, "tag", f"v{number}")
    of_git = json.loads(run("v0:policies", "v1:policies", "flows.ndjson", "--json").stdout)
    of_folders = json.loads(run("base", "head", "flows.ndjson", "--json").stdout)
    assert (of_git["base"], of_git["head"]) == ("v0:policies", "v1:policies")
    assert of_git | {"base": "base", "head": "head"} == of_folders


def test_flows_are_read_packed_or_not_from_several_files(case) -> None:
    lines = Path("flows.ndjson").read_bytes().splitlines(keepends=True)
    Path("first.gz").write_bytes(gzip.compress(b"".join(lines[:2])))
    Path("second").write_bytes(b"".join(lines[2:]))
    parts, whole = (
        json.loads(run("base", "head", *flows, "--json").stdout)
        for flows in (("first.gz", "second"), ("flows.ndjson",))
    )
    assert parts == whole


def test_jobs_change_nothing_but_the_time(sample) -> None:
    arguments = (sample.policies, "--promote", "all", "--facts", sample.facts, *[sample.flow_log] * 3)
    one, two = (json.loads(run(*arguments, "--json", "--jobs", jobs).stdout) for jobs in ("1", "2"))
    assert one == two
    assert one["flows"] == 3 * sample.flows
    assert one["totals"]["newly_denied"]["edges"] > 10


@pytest.mark.parametrize("name", ["flows.ndjson", "-", "/dev/stdin"])
@pytest.mark.parametrize("is_pipe", [False, True])
def test_each_of_several_processes_reads_the_flows_that_were_named(case, name, is_pipe) -> None:
    flows = case / "flows.ndjson"
    command = [*FLOWTIER, "whatif", "base", "head", name, "--json", "--jobs", "2"]
    with flows.open("rb") as file:
        given = {"input": file.read()} if is_pipe else {"stdin": file}
        done = subprocess.run(command, capture_output=True, check=True, **given)
    assert json.loads(done.stdout)["flows"] == len(flows.read_bytes().splitlines())


def test_staged_policies_are_enforced_together_or_one_by_one(sample) -> None:
    arguments = (sample.policies, "--facts", sample.facts, sample.flow_log, "--json")
    together = json.loads(run(*arguments, "--promote", "all").stdout)
    each = json.loads(run(*arguments, "--promote", "all", "--each").stdout)
    alone = json.loads(run(*arguments, "--promote", "snp:batch/default-deny").stdout)
    assert together["head"] == "every staged policy enforced"
    assert alone["head"] == "snp:batch/default-deny enforced"
    assert alone in each
    assert len(each) > 5
    edges = {
        json.dumps(line) for line in alone["lines"] if line["after"]["policy"] == "np:batch/default-deny"
    }
    assert edges
    assert edges <= {json.dumps(line) for line in together["lines"]}


def test_lines_that_are_no_flows_are_named_and_the_rest_is_judged(case) -> None:
    with Path("flows.ndjson").open("a") as file:
        file.write('no flow\n{"also": "none"}\n')
    done = run("base", "head", "flows.ndjson")
    assert done.exit_code == 1
    assert "flows.ndjson:5: " in done.stderr
    assert "flows.ndjson:6: " in done.stderr
    assert "2 lines are no flows that can be read." in done.stdout
    assert "4 recorded flows judged" in " ".join(done.stdout.split())


def test_no_flows_are_told_from_no_change(case) -> None:
    Path("empty").write_text("")
    assert "There were no flows: nothing was tried." in run("base", "head", "empty").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["base"], "HEAD is missing"),
        (["base", "head"], "no flows: name files, or read Elasticsearch by --since"),
        (["base", "--promote", "all"], "no flows"),
        (["base", "head", "flows.ndjson", "--since", "7d"], "from files or by --since, not both"),
        (["base", "head", "--since", "last week"], "'last week' is no time: write 7d"),
        (["base", "nowhere", "flows.ndjson"], "nowhere: there is no such directory or file"),
        (["base", "HEAD:policies", "flows.ndjson"], "is in no git repository that can be read"),
        (["base", "--promote", "all", "flows.ndjson"], "there is no staged policy that could be enforced"),
        (["base", "head", "flows.ndjson", "--allow-edge", "a b"], "write 'SOURCE > DEST'"),
        (["base", "head", "flows.ndjson", "--allow-edge", "a >"], "write 'SOURCE > DEST'"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(case, arguments, said) -> None:
    assert said in " ".join(mistake(*arguments).split())


def test_half_written_manifests_are_refused_whole(case) -> None:
    Path("head/half.yaml").write_text(
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: x\n"
    )
    said = mistake("base", "head", "flows.ndjson")
    assert said.startswith("head/half.yaml:")
    assert "is no YAML" in said


def test_a_staged_policy_that_is_not_there_is_named_with_those_that_are(sample) -> None:
    said = mistake(sample.policies, sample.flow_log, "--promote", "snp:batch/none")
    assert said.startswith("snp:batch/none is no staged policy that could be enforced; there are ")
    assert "snp:batch/default-deny" in said


def test_a_file_that_is_not_there_ends_it(case) -> None:
    done = run("base", "head", "nothing.log")
    assert done.exit_code == 1
    assert done.stderr.strip().endswith("nothing.log: No such file or directory")
