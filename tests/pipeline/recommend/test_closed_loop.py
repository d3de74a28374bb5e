"""The sample cluster: proposals from before the intrusion are enforced, the flows since then are replayed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from deploy.demo.generate import window_until, write_sample
from deploy.demo.traffic import SCAN_STARTS
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.recommend.recommendation import Recommendation
from tests.pipeline.recommend.closing import enforced, replay
from tests.pipeline.recommend.learning import Cluster, by_name, messages

INTERVAL = 300
WINDOW = window_until(datetime(2026, 1, 15, 12, tzinfo=UTC), 74, INTERVAL)
INTRUSION = WINDOW.at(SCAN_STARTS)
NIGHTLY_HOUR = "02:00 UTC"
OPEN_TO_EVERYONE = {("ingress-nginx", 80), ("ingress-nginx", 443)}  # platform/ingress-controller.yaml
INTRUDER = ("online-boutique", "adservice")

type Flow = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    cluster: Cluster
    flows: list[Flow]

    def until(self, time: int) -> list[Recommendation]:
        return self.cluster.recommend([each for each in self.flows if each["end_time"] <= time])


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Sample:
    written = write_sample(tmp_path_factory.mktemp("sample"), WINDOW, 60_000, 1)
    loaded = load_paths([written.policies, written.facts])
    facts = Cluster.facts_of(loaded)
    flows = [orjson.loads(line) for line in written.flow_log.read_bytes().splitlines()]
    return Sample(Cluster(to_policies(loaded), facts), flows)


@pytest.fixture(scope="module")
def replayed(sample) -> list[tuple[Flow, str]]:
    """The flows since the intrusion began, with what the reference says once all proposals are enforced."""
    policies = enforced(sample.cluster.policies, sample.until(INTRUSION))
    later = [each for each in sample.flows if each["end_time"] > INTRUSION]
    (batch,) = messages(later, len(later))
    return list(zip(later, replay(policies, sample.cluster.facts, batch).actions, strict=True))


def by_intruder(flow: Flow) -> bool:
    return (flow["source_namespace"], flow["source_name_aggr"].partition("-")[0]) == INTRUDER


def legitimate(replayed: list[tuple[Flow, str]]) -> Iterator[tuple[int, str, Flow]]:
    """Connections that are allowed today, that somebody answered, and not of the intruder's workload."""
    for flow, action in replayed:
        answered = flow["packets_in"] and flow["packets_out"]
        if flow["action"] == "allow" and answered and not by_intruder(flow):
            yield max(1, flow["num_flows_started"]), action, flow


def test_of_legitimate_connections_less_than_one_in_a_hundred_is_cut(replayed):
    total = sum(count for count, _, _ in legitimate(replayed))
    cut = sum(count for count, action, _ in legitimate(replayed) if action in ("deny", "unknown"))
    assert total > 100_000
    assert cut < total / 100


def is_dns(flow: Flow) -> bool:
    return flow["dest_port"] == 53 and flow["dest_name_aggr"].startswith("coredns-")


def test_the_scan_is_denied_at_its_source_and_where_no_policy_opens_a_door_to_everyone(replayed):
    scan = [(flow, action) for flow, action in replayed if by_intruder(flow) and not is_dns(flow)]
    assert len({(flow["dest_name_aggr"], flow["dest_port"]) for flow, _ in scan}) > 200
    assert {action for flow, action in scan if flow["reporter"] == "src"} == {"deny"}
    let_in = [flow for flow, action in scan if flow["reporter"] == "dst" and action != "deny"]
    assert {(flow["dest_namespace"], flow["dest_port"]) for flow in let_in} <= OPEN_TO_EVERYONE


def test_the_nightly_job_is_not_cut_once_two_nights_were_seen(sample, replayed):
    nightly = [action for flow, action in replayed if flow["source_name_aggr"].startswith("report-builder")]
    assert nightly
    assert set(nightly) == {"allow"}


def test_the_nightly_job_is_flagged_with_its_hour_while_one_night_was_seen(sample):
    job = by_name(sample.until(WINDOW.start + 24 * 3_600))["report-builder-learned"]
    flagged = [each.says for each in job.set_aside if NIGHTLY_HOUR in each.reason]
    flagged += [each.says for each in job.rules if each.risk and NIGHTLY_HOUR in each.risk]
    peers = ("cartservice", "s3.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com")
    assert all(any(peer in says for says in flagged) for peer in peers)
    assert job.status.word != "Stable"
