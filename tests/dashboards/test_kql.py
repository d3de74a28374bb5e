"""KQL is read as Kibana reads it, and nothing is passed over."""

import pytest
from lark.exceptions import UnexpectedInput

from tests.dashboards.kql import fields_of, to_query

A, B, C = ({"match_phrase": {name: "1"}} for name in "abc")


def any_of(*queries):
    return {"bool": {"should": [*queries], "minimum_should_match": 1}}


def all_of(*queries):
    return {"bool": {"filter": [*queries]}}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {"match_all": {}}),
        ("a:1", A),
        ('a : "1"', A),
        (r'"a" : "x \"y\" or z"', {"match_phrase": {"a": 'x "y" or z'}}),
        ("verdict.staged_deny : *", {"exists": {"field": "verdict.staged_deny"}}),
        ("a:1 and b:1 or c:1", any_of(all_of(A, B), C)),
        ("a:1 AND (b:1 OR c:1)", all_of(A, any_of(B, C))),
        ("not a:1 and b:1", all_of({"bool": {"must_not": [A]}}, B)),
        ("not (a:1 and b:1)", {"bool": {"must_not": [all_of(A, B)]}}),
        ("a:(1 or 2)", any_of(A, {"match_phrase": {"a": "2"}})),
        ("order >= 5", {"range": {"order": {"gte": "5"}}}),
        ("counted: true", {"match_phrase": {"counted": "true"}}),
    ],
)
def test_a_text_is_its_query(text, query):
    assert to_query(text) == query


@pytest.mark.parametrize("text", ["a:1 b:1", "word", "a:b*", "a:{b:1}", "a:(1 and 2)", "a:1 and"])
def test_what_is_not_understood_is_refused(text):
    with pytest.raises(UnexpectedInput):
        to_query(text)


def test_every_field_of_a_text_is_told():
    assert fields_of("a.b:1 and not (c:* or d >= 2)") == {"a.b", "c", "d"}
