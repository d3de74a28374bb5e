"""What the sample's policies do to its traffic: the staged ones what their comments say."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import batched, product
from typing import Any

import orjson
import pytest

from deploy.demo.cluster import build
from deploy.demo.edges import edges
from deploy.demo.flow_log import EDITED_AT
from deploy.demo.generate import HOURS, INTERVAL, POLICIES, judge_after, window_until, write_sample
from deploy.demo.traffic import INTRUDER, talks
from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.impact import Summary, summarise
from pipeline.judge import Judge
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.process import process

WINDOW = window_until(datetime(2026, 1, 13, 2, tzinfo=UTC), HOURS, INTERVAL)
CLUSTER = build(WINDOW, scale=1, seed=1)
DENY, ALLOW, UNKNOWN = "staged_deny", "staged_allow", "staged_unknown"
REPORT, SCHEDULER, WEB = "batch/report-builder", "batch/scheduler", "team-atlas/web"
CART, CURRENCY = "online-boutique/cartservice", "online-boutique/currencyservice"
# Policy: effect: the edges, but for the intruder's.
EFFECTS: dict[str, dict[str, set[tuple[str, str, str]]]] = {
    "snp:online-boutique/currencyservice": {
        DENY: {
            ("online-boutique/frontend", CURRENCY, "tcp/7000"),
            ("online-boutique/checkoutservice", CURRENCY, "tcp/7000"),
        },
    },
    "snp:online-boutique/redis-cart": {
        ALLOW: {("online-boutique/recommendationservice", "online-boutique/redis-cart", "tcp/6379")},
    },
    "snp:online-boutique/reports-legacy": {DENY: {(REPORT, CART, "tcp/7070")}},
    "snp:batch/default-deny": {
        DENY: {
            (REPORT, CART, "tcp/7070"),
            (REPORT, "pub", "tcp/443"),
            (SCHEDULER, "pub", "tcp/443"),
            (SCHEDULER, "team-atlas/api", "tcp/8081"),
            ("monitoring/prometheus", SCHEDULER, "tcp/9095"),
        },
    },
    "sgnp:atlas-egress": {
        DENY: {(WEB, "pub", "tcp/443"), (WEB, "pub", "tcp/8443")},
        UNKNOWN: {(WEB, "pub", "tcp/443")},
    },
    "sknp:team-atlas/web": {},
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    sample = write_sample(tmp_path_factory.mktemp("demo"), WINDOW, 30_000, seed=1)
    facts = Facts.from_resources(resource.plain for resource in load_paths([sample.facts]).facts)
    judge = Judge(to_policies(load_paths([POLICIES])), facts, "demo", changed_at=0, max_cells=4_096)
    parts = enumerate(batched(sample.flow_log.read_bytes().splitlines(), 1_000))
    messages = [Message(b"\n".join(lines), "topic", 0, offset, 0) for offset, lines in parts]
    processed = process(messages, judge, None, Limits())
    assert not processed.rejects
    return [orjson.loads(document.body) for document in processed.documents]


@pytest.fixture(scope="module")
def summary(documents: list[dict[str, Any]]) -> Summary:
    return summarise(documents)


@pytest.mark.parametrize("policy", EFFECTS)
def test_a_staged_policy_does_what_its_comment_says(policy: str, summary: Summary) -> None:
    effects = summary.policy(policy)
    for effect in (DENY, ALLOW, UNKNOWN):
        found = {tuple(edge) for edge in effects[effect].edges if edge.source != INTRUDER}
        assert found == EFFECTS[policy].get(effect, set()), effect


def test_every_staged_policy_is_described() -> None:
    policies = to_policies(load_paths([POLICIES])).policies
    assert {str(policy.key) for policy in policies if policy.key.staged} == set(EFFECTS)


def test_the_enforced_policies_leave_nothing_unknown(summary: Summary) -> None:
    assert summary.verdicts["enforced"]["unknown"] == 0
    assert summary.verdicts["pending"] != summary.verdicts["promoted"]


def test_the_verdict_agrees_with_the_node_except_where_its_policies_were_older(
    documents: list[dict[str, Any]],
) -> None:
    edited = WINDOW.at(EDITED_AT)
    agreements = [(document["verdict"]["agrees"], document) for document in documents]
    older = [document for agrees, document in agreements if agrees in {"action", "rule"}]
    assert all(document["end_time"] <= edited for document in older)
    assert 0.01 < len(older) / len(documents) < 0.02
    assert {document["verdict"]["agrees"] for document in older} == {"action", "rule"}
    silent = [document for agrees, document in agreements if agrees == "none_logged"]
    assert all(document["verdict"]["enforced"]["policy"] == "host" for document in silent)


def test_the_first_ends_of_an_edge_speak_for_all_of_it() -> None:
    judge = judge_after()
    for edge in edges(CLUSTER, talks(WINDOW), WINDOW.end - INTERVAL, WINDOW.end):
        for direction in ("egress", "ingress"):
            said = {
                judge(replace(edge, sources=(source,), dests=(dest,)), direction)
                for source, dest in product(edge.sources, edge.dests)
            }
            assert len(said) == 1, edge.talk
