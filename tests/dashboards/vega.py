"""A Vega spec ▸ the search requests in it, with the dashboard's time and filters where Kibana puts them."""

import copy
from collections.abc import Iterator
from typing import Any

from tests.dashboards.bundle import Json, Panel
from tests.dashboards.context import Context

_CLAUSES = ("must", "filter", "must_not")
_FIELD_NAMES = ("field", "sort_field")
_FIELD_KEYS = ("term", "terms", "range", "match_phrase", "prefix")
_AGGS = ("aggs", "aggregations")
PLACE = ("position", "tier", "policy", "staged")  # what is compared of documents that an aggregation has

type Row = dict[str, Any]


def sources(panel: Panel) -> dict[str, Json]:
    """The `url` of every data set that asks Elasticsearch, by name."""
    data = panel.state["data"]
    sets = data if isinstance(data, list) else [data | {"name": "data"}]
    return {each["name"]: each["url"] for each in sets if isinstance(each.get("url"), dict)}


def request(url: Json, context: Context) -> tuple[str, Json]:
    """(index, body) of one `url`; ValueError for what Kibana refuses, or is not known here."""
    body = copy.deepcopy(url.get("body", {}))
    name = url.get("%timefield%")
    if url.get("%context%") or name:
        if "query" in body:
            raise ValueError("Kibana takes no query beside %context% and %timefield%")
        around = context.clauses() if url.get("%context%") else []
        clauses = [*around, *([context.time(name)] if name else [])]
        body["query"] = {"bool": {"must": [], "filter": clauses, "should": [], "must_not": []}}
    return context.index(url["index"]), _filled(body, context, name or "@timestamp")


def fields_of_body(body: Any) -> set[str]:
    """The fields that a body's aggregations, sorts and queries name."""
    found: set[str] = set()
    for each in _dicts(body):
        found |= {each[name] for name in _FIELD_NAMES if isinstance(each.get(name), str)}
        for kind in _FIELD_KEYS:
            if isinstance(each.get(kind), dict) and "field" not in each[kind]:
                found |= each[kind].keys()
        for name in ("_source", "docvalue_fields", "fields"):
            if isinstance(each.get(name), list):
                found |= {field for field in each[name] if isinstance(field, str)}
    for sort in body.get("sort", ()):
        found |= sort.keys() if isinstance(sort, dict) else {sort}
    return {name for name in found if not name.startswith("_")}


def rows(body: Json, answer: Json) -> Iterator[Row]:
    """An answer laid flat: a row for each bucket that has figures of its own, with the aggregations on the
    way to it (`at`), their keys, and the figures; documents where the body asks for these."""
    if body.get("size", 10):
        yield from (hit["_source"] for hit in answer["hits"]["hits"])
        return
    yield from _flat(_aggs(body), answer.get("aggregations", {}), (), ())


def _flat(aggs: Json, found: Json, at: tuple[str, ...], keys: tuple[Any, ...]) -> Iterator[Row]:
    figures = dict(_figures(aggs, found))
    if figures:
        yield {"at": ">".join(at), "keys": keys, **figures}
    for name, each in aggs.items():
        if name not in found or not _splits(each):
            continue
        if "filter" in each:
            yield from _flat(_aggs(each), found[name], at, keys)
            continue
        buckets = found[name]["buckets"]
        listed = buckets.items() if isinstance(buckets, dict) else ((b["key"], b) for b in buckets)
        for key, bucket in listed:
            yield from _flat(_aggs(each), bucket, (*at, name), (*keys, key))


def _figures(aggs: Json, found: Json) -> Iterator[tuple[str, Any]]:
    for name, each in aggs.items():
        if name not in found or _splits(each):
            continue
        if "filter" in each:
            yield from ((f"{name}.{inner}", value) for inner, value in _figures(_aggs(each), found[name]))
        elif "top_hits" in each:
            documents = [hit["_source"] for hit in found[name]["hits"]["hits"]]
            yield name, [tuple(document[field] for field in PLACE) for document in documents]
        else:
            yield name, found[name]["value"]


def _splits(agg: Json) -> bool:
    """Whether there are buckets in it: by its own kind, or within a filter."""
    if "filter" in agg:
        return any(_splits(each) for each in _aggs(agg).values())
    return not agg.keys().isdisjoint(("terms", "filters", "date_histogram", "composite"))


def _aggs(body: Json) -> Json:
    return next((body[name] for name in _AGGS if name in body), {})


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
    if isinstance(value, str) and value in {f"%dashboard_context-{clause}_clause%" for clause in _CLAUSES}:
        return []
    return [_filled(value, context, time_field)]


def _bound(value: Json, context: Context) -> int:
    """`{"%timefilter%": "min"}` as Kibana gives it, without a shift."""
    if value.keys() != {"%timefilter%"}:
        raise ValueError(f"a shifted time {value} is not known here")
    return {"min": context.start, "max": context.end}[value["%timefilter%"]]
