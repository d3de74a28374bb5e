"""The sample cluster's manifests and flow log are what they say they are."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from deploy.demo.generate import (
    FEWEST,
    HISTORY,
    HOURS,
    INTERVAL,
    POLICIES,
    Sample,
    main,
    window_until,
    write_sample,
)
from deploy.demo.inventory import OUTSIDES
from pipeline.policy.load import load_paths
from pipeline.policy.resources import resource_key

END = datetime(2026, 1, 13, 2, tzinfo=UTC)
FLOWS = 12_000


def write(out: Path, flows: int = FLOWS, seed: int = 1) -> Sample:
    out.mkdir()
    return write_sample(out, window_until(END, HOURS, INTERVAL), flows, seed)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write(tmp_path_factory.mktemp("demo") / "sample")


@pytest.fixture(scope="module")
def records(sample: Sample) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in sample.flow_log.read_bytes().splitlines()]


def content(sample: Sample) -> list[bytes]:
    files = [sample.flow_log, *sorted(sample.facts.iterdir()), *sorted(sample.policies.rglob("*.yaml"))]
    return [file.read_bytes() for file in files]


def share(records: list[dict[str, Any]], **members: object) -> float:
    return sum(all(r[k] == v for k, v in members.items()) for r in records) / len(records)


def test_policies_and_facts_load_without_a_word(sample: Sample) -> None:
    for directory in (sample.policies, sample.facts):
        loaded = load_paths([directory])
        assert not loaded.problems
        assert not loaded.warnings
        assert not loaded.passed_over


def test_history_holds_earlier_forms_of_policies_that_are_there() -> None:
    now, then = ({resource_key(r.document) for r in load_paths([d]).policies} for d in (POLICIES, HISTORY))
    assert then
    assert then <= now


def test_the_same_seed_writes_the_same_bytes_and_another_one_others(sample: Sample, tmp_path: Path) -> None:
    assert content(write(tmp_path / "again")) == content(sample)
    assert content(write(tmp_path / "other", seed=2)) != content(sample)


@pytest.mark.parametrize("flows", [FEWEST, 100_000])
def test_there_are_as_many_flows_as_asked_for(flows: int, tmp_path: Path) -> None:
    """The largest wants a cluster larger than the smallest."""
    sample = write(tmp_path / "sample", flows)
    assert sample.flows == flows
    with sample.flow_log.open("rb") as log:
        assert sum(1 for _ in log) == flows


def test_flows_fill_whole_intervals_of_the_window(records: list[dict[str, Any]]) -> None:
    assert {record["end_time"] - record["start_time"] for record in records} == {INTERVAL}
    assert min(record["start_time"] for record in records) == END.timestamp() - HOURS * 3_600
    assert max(record["end_time"] for record in records) == END.timestamp()
    assert len({record["start_time"] for record in records}) == HOURS * 3_600 // INTERVAL


def test_the_log_holds_each_kind_of_record_in_its_share(records: list[dict[str, Any]]) -> None:
    assert 0.4 < share(records, reporter="src") < 0.6
    assert 0.02 < share(records, action="deny") < 0.08
    assert 0.6 < share(records, source_name="-", dest_ip=None) < 0.95
    assert share(records, proto="udp", dest_port=53) > 0.05
    assert 0.03 < share(records, source_type="hep", policies=None) < 0.2
    assert share(records, source_type="net", source_name_aggr="pub") > 0.001
    assert share(records, source_type="ns", source_name_aggr="load-balancers") > 0.005
    assert share(records, dest_domains=["s3.us-east-1.amazonaws.com"]) > 0


def test_the_nightly_report_runs_at_two_and_at_no_other_time(records: list[dict[str, Any]]) -> None:
    starts = {
        datetime.fromtimestamp(record["start_time"], UTC).hour
        for record in records
        if record["source_name_aggr"].startswith("report-builder-")
    }
    assert starts == {2}


def test_denied_connections_are_told_one_by_one_and_allowed_ones_never(
    records: list[dict[str, Any]],
) -> None:
    for record in records:
        if record["action"] == "deny":
            assert record["num_flows"] == 1
            assert record["source_port"]
            assert record["source_ip"]
        else:
            assert record["source_port"] is None


def test_what_is_denied_at_the_source_is_unknown_at_the_destination(records: list[dict[str, Any]]) -> None:
    def edge(record: dict[str, Any]) -> tuple[Any, ...]:
        return record["source_name_aggr"], record["dest_name_aggr"], record["dest_port"], record["proto"]

    denied = {edge(r) for r in records if r["action"] == "deny" and r["reporter"] == "src"}
    assert denied
    assert not denied & {edge(r) for r in records if r["reporter"] == "dst"}


def test_both_reporters_tell_the_same_connections_and_bytes(records: list[dict[str, Any]]) -> None:
    """But for the last interval, which may be cut in the middle of an edge."""
    sent: dict[str, Counter[tuple[Any, ...]]] = {"src": Counter(), "dst": Counter()}
    for record in records:
        if record["source_type"] == record["dest_type"] == "wep" and record["end_time"] < END.timestamp():
            edge = (record["start_time"], record["source_name_aggr"], record["dest_name_aggr"])
            port = (record["dest_port"], record["proto"])
            told = record["bytes_out" if record["reporter"] == "src" else "bytes_in"]
            if (record["reporter"], record["action"]) != ("src", "deny"):
                sent[record["reporter"]][*edge, *port] += told
    assert sent["src"] == sent["dst"]


def test_names_and_addresses_are_those_of_the_facts(sample: Sample, records: list[dict[str, Any]]) -> None:
    facts = [resource.document for resource in load_paths([sample.facts]).facts]
    pods = {d["metadata"]["name"]: d["status"]["podIP"] for d in facts if d["kind"] == "Pod"}
    hosts = {d["metadata"]["name"]: d["spec"]["expectedIPs"][0] for d in facts if d["kind"] == "HostEndpoint"}
    outside = {address for each in OUTSIDES.values() for address in each.addresses}
    named = 0
    for record in records:
        for side in ("source", "dest"):
            name, address = record[f"{side}_name"], record[f"{side}_ip"]
            if address is not None:
                named += 1
                assert address == (pods | hosts).get(name) or (name == "-" and address in outside)
    assert named


def test_too_few_flows_are_refused_in_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--out", str(tmp_path), "--flows", "10"])
    assert result.exit_code == 2
    assert "10 is not in the range" in result.output
