"""What a publish changes, told by resource and field."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.changed_resources import changed_fields, changed_resources
from pipeline.revisions import changes


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, "1", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
RESOURCES = st.dictionaries(st.sampled_from(["Tier//a", "Tier//b", "NetworkPolicy/n/p"]), VALUES.map(to_json))


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({"spec": {"order": 1}}, {"spec": {"order": 2}}, ["spec.order"]),
        ({"spec": {"order": 1}}, {"spec": {}}, ["spec.order"]),
        ({"spec": {"ingress": [{"action": "Deny"}]}}, {"spec": {"ingress": []}}, ["spec.ingress[0]"]),
        (
            {"spec": {"ingress": [{"action": "Deny"}], "tier": "a"}},
            {"spec": {"ingress": [{"action": "Allow"}, {"action": "Log"}], "tier": "b"}},
            ["spec.ingress[0].action", "spec.ingress[1]", "spec.tier"],
        ),
        ({"spec": {"ports": [80]}}, {"spec": {"ports": ["80"]}}, ["spec.ports[0]"]),
    ],
)
def test_the_fields_that_differ_are_named(before, after, fields) -> None:
    assert changed_fields(to_json(before), to_json(after)) == tuple(fields)


@given(RESOURCES, RESOURCES)
def test_what_is_told_is_what_is_written(before, after) -> None:
    told = changed_resources(before, after)
    written = changes(before, after)
    assert {*told.new, *told.removed, *(each.resource for each in told.changed)} == set(written)
    assert set(told.removed) == {key for key, value in written.items() if value is None}
    assert bool(told) == (before != after)


@given(VALUES, VALUES)
def test_something_is_named_where_anything_differs(before, after) -> None:
    assert bool(changed_fields(to_json(before), to_json(after))) == (to_json(before) != to_json(after))
