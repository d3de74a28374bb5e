"""KQL ▸ the Elasticsearch query that Kibana makes of it; whatever the panels do not use is refused."""

import json
import re
from functools import cache
from typing import Any

from lark import Lark, Transformer, v_args

type Query = dict[str, Any]

_GRAMMAR = Lark(
    r"""
    ?start: either
    ?either: both (OR both)*          -> either
    ?both: term (AND term)*           -> both
    ?term: NOT term                   -> negated
         | "(" either ")"
         | field ":" STAR             -> exists
         | field ":" value            -> equal
         | field ":" "(" value (OR value)* ")" -> equal
         | field COMPARED value       -> compared
    field: QUOTED | NAME
    value: QUOTED | NAME
    STAR: "*"
    COMPARED: ">=" | "<=" | ">" | "<"
    OR.2: /or\b/i
    AND.2: /and\b/i
    NOT.2: /not\b/i
    QUOTED: /"(\\.|[^"\\])*"/
    NAME: /[\w.@\/-]+/
    %ignore /\s+/
    """,
    parser="lalr",
)
_BOUNDS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
_ESCAPE = re.compile(r"\\(.)")


@v_args(inline=True)
class _Queries(Transformer[Any, Query]):
    """Kibana writes `match_phrase` for a quoted value and `match` for a bare one: on keywords, numbers and
    booleans both find what `term` does."""

    def field(self, token: str) -> str:
        return self.value(token)

    def value(self, token: str) -> str:
        return _ESCAPE.sub(r"\1", token[1:-1]) if token.startswith('"') else str(token)

    def exists(self, field: str, _star: str) -> Query:
        return {"exists": {"field": field}}

    def equal(self, field: str, *values: Any) -> Query:
        return _any([{"match_phrase": {field: value}} for value in values if not _is_word(value)])

    def compared(self, field: str, how: str, value: str) -> Query:
        return {"range": {field: {_BOUNDS[how]: value}}}

    def negated(self, _not: str, query: Query) -> Query:
        return {"bool": {"must_not": [query]}}

    def either(self, *parts: Any) -> Query:
        return _any([part for part in parts if isinstance(part, dict)])

    def both(self, *parts: Any) -> Query:
        queries = [part for part in parts if isinstance(part, dict)]
        return queries[0] if len(queries) == 1 else {"bool": {"filter": queries}}


def _is_word(token: Any) -> bool:
    return getattr(token, "type", None) == "OR"


def _any(queries: list[Query]) -> Query:
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries, "minimum_should_match": 1}}


def to_query(text: str) -> Query:
    """The query of a KQL text, match_all where it is empty; raises lark's errors for what is not read."""
    return json.loads(_read(text)) if text.strip() else {"match_all": {}}


def fields_of(text: str) -> set[str]:
    """The fields that a KQL text names."""
    return fields_of_query(to_query(text))


def fields_of_query(query: Any) -> set[str]:
    """The fields that an Elasticsearch query names; ValueError for a kind of query that nobody uses."""
    found: set[str] = set()
    for kind, body in query.items():
        if kind == "bool":
            for clause in ("filter", "must", "should", "must_not"):
                each = body.get(clause, [])
                for part in [each] if isinstance(each, dict) else each:
                    found |= fields_of_query(part)
        elif kind == "exists":
            found.add(body["field"])
        elif kind in {"match_phrase", "match", "term", "terms", "range", "prefix", "wildcard"}:
            found |= body.keys()
        elif kind != "match_all":
            raise ValueError(f"the fields of a {kind} query are not known here")
    return found


@cache
def _read(text: str) -> str:
    return json.dumps(_Queries().transform(_GRAMMAR.parse(text)))
