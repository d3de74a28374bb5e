"""Golden cases: manifests.yaml and flows.ndjson give verdicts.ndjson (rewritten by --update-cases)."""

from pathlib import Path

import orjson
import pytest

from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow_files import read_batches
from pipeline.judge import Judge
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.process import process

CASES = Path(__file__).parents[1] / "cases" / "judge"


def verdicts_of(case: Path) -> list[dict[str, object]]:
    loaded = load_paths([case / "manifests.yaml"])
    loaded.require()
    facts = Facts.from_resources(resource.plain for resource in loaded.facts)
    judge = Judge(to_policies(loaded), facts, "case", 0, 4096)
    (messages,) = read_batches([str(case / "flows.ndjson")])
    processed = process(messages, judge, None, Limits())
    assert processed.rejects == []
    verdicts = [orjson.loads(document.body)["verdict"] for document in processed.documents]
    return [{name: value for name, value in verdict.items() if name != "revision"} for verdict in verdicts]


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_flows_get_the_verdicts_on_file(case, pytestconfig):
    verdicts = verdicts_of(case)
    on_file = case / "verdicts.ndjson"
    if pytestconfig.getoption("--update-cases"):
        on_file.write_bytes(b"".join(orjson.dumps(verdict) + b"\n" for verdict in verdicts))
    assert verdicts == [orjson.loads(line) for line in on_file.read_bytes().splitlines()]
