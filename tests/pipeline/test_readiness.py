"""A staged policy is called safe only where everything allows it, and its reason has the figures."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readiness import Figures, readiness
from pipeline.readiness_section import ReadinessLimits

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "readiness" / "cases.yaml").read_text())
LIMITS = ReadinessLimits()
SAFER = ["would cut traffic", "unknown", "not enough seen", "safe to enforce"]
ENOUGH = Figures(
    days=8,
    hours_of_week=168,
    hours_of_week_active=168,
    hours_of_week_watched=168,
    flows_judged=20_000,
    workloads=2,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_word_and_the_reason_are_those_of_the_case(case):
    limits = ReadinessLimits(**case.get("limits", {}))
    found = readiness(replace(ENOUGH, **case.get("figures", {})), limits)
    assert found == (case["word"], case["reason"])


@st.composite
def figures(draw, most=10_000):
    """Any figures; often such as are enough, or nearly so."""
    number = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, most))
    active = draw(st.one_of(st.just(168), st.integers(0, 168)))
    names = st.lists(st.sampled_from(["shop/a", "shop/b"]), unique=True, max_size=2)
    judged = draw(st.one_of(st.just(10_000), number))
    of_these = st.one_of(st.just(0), st.integers(0, min(judged, 20)), st.integers(0, judged))
    return Figures(
        unjudged=draw(st.sampled_from([None, None, None, "its stagedAction is Learn"])),
        days=draw(st.one_of(st.integers(6, 9), number)),
        hours_of_week=draw(st.one_of(st.just(active), st.integers(0, active))),
        hours_of_week_active=active,
        hours_of_week_watched=draw(st.one_of(st.just(168), st.integers(0, 168))),
        hours_behind=draw(st.one_of(st.just(0), st.integers(0, 5))),
        edges_cut=draw(st.one_of(st.just(0), number)),
        connections_cut=draw(number),
        flows_judged=judged,
        flows_unknown=draw(of_these),
        flows_disagreeing=draw(of_these),
        workloads=draw(st.one_of(st.just(2), number)),
        silent_workloads=tuple(draw(st.one_of(st.just([]), names))),
    )


def is_enough(seen: Figures) -> bool:
    """The rule once more, word by word."""
    return (
        seen.unjudged is None
        and seen.edges_cut == 0
        and seen.flows_unknown * 1000 <= seen.flows_judged
        and seen.flows_disagreeing * 1000 <= seen.flows_judged
        and seen.days >= 7
        and seen.hours_of_week == seen.hours_of_week_active
        and seen.hours_of_week_watched == 168
        and seen.hours_behind <= 3
        and seen.workloads > 0
        and not seen.silent_workloads
    )


@given(figures())
def test_safe_is_said_exactly_where_nothing_is_short(seen):
    assert (readiness(seen, LIMITS).word == "safe to enforce") == is_enough(seen)


LESS_SAFE = [
    lambda seen: replace(seen, edges_cut=seen.edges_cut + 1),
    lambda seen: replace(seen, flows_unknown=min(seen.flows_unknown + 1, seen.flows_judged)),
    lambda seen: replace(seen, flows_unknown=seen.flows_judged),
    lambda seen: replace(seen, flows_disagreeing=min(seen.flows_disagreeing + 1, seen.flows_judged)),
    lambda seen: replace(seen, flows_disagreeing=seen.flows_judged),
    lambda seen: replace(seen, days=max(seen.days - 1, 0)),
    lambda seen: replace(seen, days=0),
    lambda seen: replace(seen, hours_of_week=max(seen.hours_of_week - 1, 0)),
    lambda seen: replace(seen, hours_of_week_active=min(seen.hours_of_week_active + 1, 168)),
    lambda seen: replace(seen, hours_of_week_watched=max(seen.hours_of_week_watched - 1, 0)),
    lambda seen: replace(seen, hours_behind=seen.hours_behind + 1),
    lambda seen: replace(seen, silent_workloads=(*seen.silent_workloads, "shop/c")),
    lambda seen: replace(seen, workloads=0),
    lambda seen: replace(seen, unjudged="its stagedAction is Ignore"),
]


@given(figures(), st.sampled_from(LESS_SAFE))
def test_more_cut_more_unknown_and_less_seen_are_never_safer(seen, less_safe):
    before, after = (readiness(each, LIMITS).word for each in (seen, less_safe(seen)))
    assert SAFER.index(after) <= SAFER.index(before)


@given(figures())
def test_a_reason_speaks_of_all_that_is_short(seen):
    reason = readiness(seen, LIMITS).reason
    assert ("would cut" in reason) == (seen.edges_cut > 0)
    assert all(name in reason for name in seen.silent_workloads)
    assert (f"on {seen.days} of 7 days" in reason) == (seen.days < 7)


@given(figures(), st.integers(1, 30), st.integers(1, 168), st.floats(0, 0.5))
def test_wider_limits_never_make_it_less_safe(seen, days, hours, share):
    narrow = ReadinessLimits(days=days, hours_of_week=hours, unknown_share=share)
    wide = ReadinessLimits(days=1, hours_of_week=1, unknown_share=0.9, hours_behind=5)
    before, after = (SAFER.index(readiness(seen, each).word) for each in (narrow, wide))
    assert after >= before
