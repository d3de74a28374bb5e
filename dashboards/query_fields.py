"""Names of fields in a query: of ES|QL, KQL, and the bodies that Vega sends."""

import re
from collections.abc import Iterator
from typing import Any

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"//[^\n]*")
_ESQL_NAME = re.compile(r"(?<![?\w.])(@?[A-Za-z_][\w.@]*)(\s*\(|\s*=(?![=~]))?")
_ESQL_WORDS = frozenset((
    *("where", "stats", "by", "sort", "limit", "keep", "eval", "drop", "rename", "mv_expand", "as", "on"),
    *("and", "or", "not", "in", "is", "null", "asc", "desc", "nulls", "first", "last", "like", "rlike"),
    *("true", "false"),
))  # fmt: skip
_KQL_NAME = re.compile(r"(@?[A-Za-z_][\w.@]*)\s*(?::|[<>]=?)")
_NAMED_BY_KEY = frozenset(("term", "terms", "range", "match", "match_phrase", "prefix", "wildcard"))


def esql_fields(esql: str) -> frozenset[str]:
    """Names that the query reads and does not make itself."""
    text = _COMMENT.sub("", _STRING.sub('""', esql))
    _, _, text = text.partition("|")  # what stands before it is FROM and the index
    found = [(name[1], (name[2] or "").strip()) for name in _ESQL_NAME.finditer(text)]
    made = {name for name, then in found if then == "="}
    return frozenset(
        name for name, then in found if not then and name not in made and name.lower() not in _ESQL_WORDS
    )


def kql_fields(kql: str) -> frozenset[str]:
    """Names that the query compares with something."""
    return frozenset(name[1] for name in _KQL_NAME.finditer(_STRING.sub('""', kql)))


def vega_fields(body: Any) -> Iterator[str]:
    """Names in a request body: what `field` names, and the keys of term, range and their like."""
    if isinstance(body, list):
        for each in body:
            yield from vega_fields(each)
    if not isinstance(body, dict):
        return
    for key, value in body.items():
        if key == "field" and isinstance(value, str):
            yield value
        elif key in _NAMED_BY_KEY and isinstance(value, dict) and "field" not in value:
            yield from value
        else:
            yield from vega_fields(value)
