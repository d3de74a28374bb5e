"""A Vega spec ▸ the search requests in it, with the dashboard's time and filters where Kibana puts them."""

import copy
from collections.abc import Iterator
from typing import Any

from tests.dashboards.bundle import Json, Panel
from tests.dashboards.context import Context

_CLAUSES = ("must", "filter", "must_not")


def sources(panel: Panel) -> dict[str, Json]:
    """The `url` of every data set that asks Elasticsearch, by name."""
    data = panel.state["data"]
    sets = data if isinstance(data, list) else [data | {"name": "data"}]
    return {each["name"]: each["url"] for each in sets if isinstance(each.get("url"), dict)}


def request(url: Json, context: Context) -> tuple[str, Json]:
    """(index, body) of one `url`; ValueError for a placeholder that is not known here."""
    body = copy.deepcopy(url.get("body", {}))
    if url.get("%context%"):
        name = url.get("%timefield%")
        clauses = [*context.clauses(), *([context.time(name)] if name else [])]
        body["query"] = {"bool": {"must": [], "filter": clauses, "should": [], "must_not": []}}
    return context.index(url["index"]), _filled(body, context, url.get("%timefield%", "@timestamp"))


def fields_of_aggs(body: Any) -> set[str]:
    """The fields that a body's aggregations, sorts and queries name."""
    found: set[str] = set()
    for each in _dicts(body):
        for name in ("field", "sort_field"):
            if isinstance(each.get(name), str):
                found.add(each[name])
        for kind in ("term", "terms", "range", "match_phrase", "prefix"):
            if isinstance(each.get(kind), dict) and "field" not in each[kind]:
                found |= each[kind].keys()
    return found


def _dicts(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _dicts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _dicts(each)


def _filled(value: Any, context: Context, time_field: str) -> Any:
    if isinstance(value, dict):
        if "%timefilter%" in value:
            return context.time(time_field) if value["%timefilter%"] is True else _bound(value, context)
        if "%autointerval%" in value:
            return context.interval("auto")
        return {name: _filled(each, context, time_field) for name, each in value.items()}
    if isinstance(value, list):
        return [part for each in value for part in _parts(each, context, time_field)]
    if isinstance(value, str) and value.startswith("%") and value.endswith("%"):
        raise ValueError(f"the placeholder {value} is not known here")
    return value


def _parts(value: Any, context: Context, time_field: str) -> list[Any]:
    if value == "%dashboard_context-filter_clause%":
        return context.clauses()
    if value in {f"%dashboard_context-{clause}_clause%" for clause in _CLAUSES}:
        return []
    return [_filled(value, context, time_field)]


def _bound(value: Json, context: Context) -> int:
    """`{"%timefilter%": "min"}` as Kibana gives it, without a shift."""
    if value.keys() != {"%timefilter%"}:
        raise ValueError(f"a shifted time {value} is not known here")
    return {"min": context.start, "max": context.end}[value["%timefilter%"]]
