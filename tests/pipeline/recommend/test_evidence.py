"""Evidence: every connection stands in one rule or is set aside, and what each rule was seen to carry."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recommend.recommendation import Mode, Options
from tests.pipeline.recommend.learning import DAY, DNS, MONDAY, NO_POLICIES, both_sides, by_name, flow

MODES = pytest.mark.parametrize("mode", ["workload", "namespace"])
LOCAL = ["shop/web", "shop/cart", "billing/api"]
ADDRESSES = ["pub", "pvt", "10.1.2.3", "10.200.0.1", "198.51.100.7", "2001:db8::7"]
PORTS = [None, 53, 443, 8080, 8081, 8082, *range(40_000, 60_000, 1_999)]
FLOWS = st.lists(
    st.builds(
        flow,
        st.sampled_from(LOCAL),
        st.sampled_from([*LOCAL, DNS, *ADDRESSES]),
        st.sampled_from(PORTS),
        st.integers(0, 40),
        proto=st.sampled_from(["tcp", "udp", "icmp", "47"]),
        dest_domains=st.sampled_from([None, ["a.example"], ["a.example", "b.example"]]),
        num_flows=st.integers(1, 3),
        bytes_out=st.integers(0, 3),
    ).map(lambda each: each | {"num_flows_started": each["num_flows"]}),
    min_size=1,
    max_size=40,
)


@MODES
@settings(deadline=None, max_examples=50)
@given(FLOWS, st.booleans())
def test_every_connection_is_evidence_of_one_rule_or_set_aside(
    mode: Mode, flows: list[dict[str, Any]], domains: bool
) -> None:
    found = NO_POLICIES.recommend(flows, Options(mode=mode, domains=domains))
    ruled = [rule.evidence for each in found for rule in each.rules if rule.evidence]
    aside = [aside.connections for each in found for aside in each.set_aside]
    expected = sum(each["num_flows_started"] for each in flows)
    assert sum(each.connections for each in ruled) + sum(aside) == expected
    if not aside:
        assert sum(each.bytes for each in ruled) == sum(
            each["bytes_in"] + each["bytes_out"] for each in flows
        )


def test_a_rule_has_its_connections_bytes_times_hours_days_and_examples() -> None:
    hours = [0, 1, 1, 30, 75]
    flows = [flow("shop/web", "shop/cart", 7070, hour, num_flows_started=2, num_flows=2) for hour in hours]
    (recommendation,) = NO_POLICIES.recommend(flows)
    (evidence,) = (rule.evidence for rule in recommendation.rules if rule.peer == "workload")
    assert evidence
    assert (evidence.connections, evidence.bytes) == (2 * len(hours), 300 * len(hours))
    assert (evidence.hours, evidence.days) == (4, 3)
    assert (evidence.first, evidence.last) == (MONDAY * 1_000, (MONDAY + 75 * 3_600 + 300) * 1_000)
    assert evidence.examples == ["test-0-0-0", "test-0-4-0"]


DENIED = [
    each for hour in range(4) for each in both_sides("shop/web", "shop/db", 5432, hour=hour, action="deny")
]


def test_denied_flows_teach_nothing() -> None:
    lessons = NO_POLICIES.lessons(DENIED)
    assert (lessons.places, lessons.not_learned) == ({}, {"denied": len(DENIED)})


def test_denied_flows_teach_where_somebody_asks_for_it() -> None:
    found = by_name(NO_POLICIES.recommend(DENIED, Options(learn_denied=True)))
    assert [rule.says for rule in found["web-learned"].rules if rule.evidence] == [
        "Allow tcp/5432 to workload shop/db"
    ]


NIGHTLY = [flow("shop/web", "shop/cart", 7070, hour) for hour in range(3 * DAY)]
SEEN = {
    "in one hour": ([2], "set aside", "seen in fewer than 2 hours: 2026-01-12 02:00 UTC only"),
    "in two hours of one night": (
        [2, 3],
        "risk",
        "seen in 2 of 72 hours only, first 2026-01-12 02:00 UTC: whether it comes again is not known",
    ),
    "in hours of one day": ([26, 27, 28], "risk", "seen on one day of 3 only, 2026-01-13"),
    "on two days": ([2, 26, 27], None, None),
}


@pytest.mark.parametrize("case", SEEN)
def test_what_was_seen_rarely_is_set_aside_or_a_risk_in_words_that_name_the_hour(case: str) -> None:
    hours, what, words = SEEN[case]
    rare = [flow("shop/web", "shop/reports", 9000, hour) for hour in hours]
    (recommendation,) = NO_POLICIES.recommend([*NIGHTLY, *rare])
    aside = [("set aside", each.reason) for each in recommendation.set_aside]
    risks = [("risk", rule.risk) for rule in recommendation.rules if rule.risk]
    assert [*aside, *risks] == ([(what, words)] if what else [])


def test_fewer_connections_than_asked_for_become_no_rule() -> None:
    (found,) = NO_POLICIES.recommend(NIGHTLY[:5], Options(minimum_connections=6))
    assert [(each.says, each.reason) for each in found.set_aside] == [
        ("web → tcp/7070 shop/cart", "fewer than 6 connections")
    ]
