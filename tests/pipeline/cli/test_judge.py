"""`flowtier judge` gives a document for every flow, in order, and says what was wrong with the rest."""

import gzip
from pathlib import Path

import orjson
import pytest
import zstandard
from click.testing import CliRunner

from pipeline.cli.judge import judge

CASE = Path(__file__).parents[2] / "cases" / "judge" / "twin-edit"
FLOWS = (CASE / "flows.ndjson").read_bytes()
POLICIES = ["--policies", str(CASE / "manifests.yaml")]


def run(*arguments: str, given: bytes | None = None):
    return CliRunner().invoke(judge, [*arguments, *POLICIES], input=given)


@pytest.fixture
def flow_file(tmp_path):
    path = tmp_path / "flows.log"
    path.write_bytes(FLOWS)
    return path


def test_documents_come_out_in_the_order_of_the_input(flow_file):
    result = run(str(flow_file))
    documents = [orjson.loads(line) for line in result.stdout.splitlines()]
    flows = [orjson.loads(line) for line in FLOWS.splitlines()]
    assert result.exit_code == 0
    assert [
        {key: document[key] for key in flow} for flow, document in zip(flows, documents, strict=True)
    ] == flows


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_packed_files_give_the_same(tmp_path, flow_file, pack):
    packed = tmp_path / "packed"
    packed.write_bytes(pack(FLOWS))
    assert run(str(packed)).stdout == run(str(flow_file)).stdout


def test_standard_input_gives_the_same_as_a_file(flow_file):
    assert run("-", given=FLOWS).stdout == run(str(flow_file)).stdout


def test_a_line_that_is_no_flow_is_named_and_its_neighbours_are_judged(flow_file):
    flow_file.write_bytes(FLOWS + b"not json\n" + FLOWS)
    result = run(str(flow_file))
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 2 * len(FLOWS.splitlines())
    assert f"{flow_file}:5:" in result.stderr.replace("\n", "")


def test_the_summary_says_what_each_staged_policy_would_do(flow_file):
    said = run(str(flow_file), "--summary").stdout
    assert "snp:shop/cart" in said
    assert "would deny" in said
    assert "would allow" in said


def test_a_file_that_is_not_there_is_named_without_a_traceback():
    result = run("no-such-file")
    assert result.exit_code == 1
    assert "no-such-file" in result.stderr
    assert "Traceback" not in result.stderr
