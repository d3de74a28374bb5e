"""What is proved of two selectors holds for all labels; and the usual cases are proved."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.check.selectors import disjoint, implies
from pipeline.policy.selector import all_of, any_of, negate, parse

PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck))
VALUES = ("a", "b", "a-b", "")
ATOMS = [
    *(f"{key} {op} '{value}'" for key in "xy" for op in ("==", "!=") for value in VALUES[:3]),
    *(
        f"{key} {op} '{value}'"
        for key in "xy"
        for op in ("contains", "starts with", "ends with")
        for value in "a-"
    ),
    *(
        f"{key} {op} {{{text}}}"
        for key in "xy"
        for op in ("in", "not in")
        for text in ("'a', 'b'", "'a'", "")
    ),
    *(f"has({key})" for key in "xy"),
    "all()",
]
SELECTORS = st.recursive(
    st.sampled_from(ATOMS).map(parse),
    lambda inner: st.one_of(
        inner.map(negate),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: all_of(*parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: any_of(*parts)),
    ),
    max_leaves=5,
)
LABELS = [
    {key: value for key, value in (("x", x), ("y", y)) if value is not None}
    for x in (None, *VALUES, "other")
    for y in (None, *VALUES, "other")
]


@PATIENT
@given(SELECTORS, SELECTORS)
def test_what_is_implied_is_satisfied_wherever_the_other_is(narrow, wide):
    assume(implies(narrow, wide))
    assert not [labels for labels in LABELS if narrow.matches(labels) and not wide.matches(labels)]


@PATIENT
@given(SELECTORS, SELECTORS)
def test_what_is_disjoint_is_never_satisfied_together(one, other):
    assume(disjoint(one, other))
    assert not [labels for labels in LABELS if one.matches(labels) and other.matches(labels)]


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("app == 'a'", "all()"),
        ("app == 'a' && env == 'b'", "app == 'a'"),
        ("app == 'a'", "app in {'a', 'b'}"),
        ("app == 'a'", "has(app)"),
        ("app == 'a'", "app != 'b'"),
        ("app in {'a', 'b'}", "app == 'a' || app == 'b'"),
        ("app starts with 'web-'", "app starts with 'web'"),
        ("app starts with 'web'", "has(app)"),
        ("!has(app)", "app != 'a'"),
        ("app == 'a' || app == 'b'", "has(app)"),
        ("app == 'a' && !(env == 'x')", "app == 'a' && env != 'x'"),
    ],
)
def test_the_usual_implications_are_proved(narrow, wide):
    assert implies(parse(narrow), parse(wide))
    assert not implies(parse(wide), parse(narrow)) or parse(narrow).matches({}) == parse(wide).matches({})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("app == 'a'", "app == 'b'"),
        ("app == 'a' && env == 'x'", "app in {'b', 'c'}"),
        ("has(app)", "!has(app)"),
        ("app == 'a'", "app != 'a'"),
        ("app == 'a'", "!(app starts with 'a')"),
    ],
)
def test_the_usual_opposites_are_disjoint(one, other):
    assert disjoint(parse(one), parse(other))
    assert disjoint(parse(other), parse(one))
