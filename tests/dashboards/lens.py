"""A formBased Lens layer ▸ the search request that it stands for, and the rows that it shows."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.dashboards.bundle import DataView, Json, Panel
from tests.dashboards.context import Context, filter_query
from tests.dashboards.kql import Query, fields_of, fields_of_query, to_query
from tests.dashboards.tinymath import compute

RECORDS = "___records___"
_METRICS = {"sum": "sum", "min": "min", "max": "max", "average": "avg", "unique_count": "cardinality"}
_COMPUTED = frozenset(("formula", "math", "static_value"))
_OPERATIONS = {*_METRICS, *_COMPUTED, "count", "last_value", "terms", "date_histogram", "filters"}

_JOINS: dict[str, Callable[[list[Any]], Any]] = {"sum": sum, "max": max, "min": min}

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: `columns` by id, in the order in which they group and show."""

    view: DataView
    columns: dict[str, Json]
    query: str
    filters: tuple[Json, ...]
    collapsed: dict[str, str]  # of groups that are not shown: how their rows become one

    @property
    def groups(self) -> list[str]:
        return [name for name, column in self.columns.items() if column["isBucketed"]]

    @property
    def measures(self) -> dict[str, Json]:
        """What Elasticsearch is asked for."""
        return {
            name: column
            for name, column in self.columns.items()
            if not column["isBucketed"] and column["operationType"] not in _COMPUTED
        }

    @property
    def shown(self) -> dict[str, str]:
        """Labels of the columns that a person sees, by id: parts of formulas are none."""
        parts = {part for column in self.columns.values() for part in column.get("references", ())}
        hidden = parts | self.collapsed.keys()
        return {name: column["label"] for name, column in self.columns.items() if name not in hidden}

    @property
    def fields(self) -> set[str]:
        """Every field that the layer names."""
        found = fields_of(self.query)
        for each in self.filters:
            found |= fields_of_query(filter_query(each))
        for column in self.columns.values():
            found |= {column[name] for name in ("sourceField",) if column.get(name, RECORDS) != RECORDS}
            found |= fields_of((column.get("filter") or {}).get("query", ""))
            params = column.get("params", {})
            found |= {
                *params.get("secondaryFields", ()),
                *([params["sortField"]] if "sortField" in params else ()),
            }
            for each in params.get("filters", ()):
                found |= fields_of(each["input"]["query"])
        return found

    def request(self, context: Context) -> tuple[str, Json]:
        """(index, body)."""
        query = {
            "bool": {
                "filter": [
                    *context.clauses(self.view),
                    *([to_query(self.query)] if self.query else []),
                    *map(filter_query, self.filters),
                ]
            }
        }
        return context.index(self.view.title), {
            "size": 0,
            "track_total_hits": True,
            "query": query,
            "aggs": self._aggs(self.groups, context),
        }

    def rows(self, answer: Json) -> list[Row]:
        """What the panel shows, by label."""
        top = {**answer.get("aggregations", {}), "doc_count": answer["hits"]["total"]["value"]}
        found = list(self._read(top, self.groups, {}))
        for name in self.groups:
            if name in self.collapsed:
                found = self._collapse(found, name)
        return [{label: row[name] for name, label in self.shown.items()} for row in found]

    def _collapse(self, rows: list[Row], group: str) -> list[Row]:
        """Rows that differ in `group` alone become one."""
        together: dict[str, list[Row]] = {}
        for row in rows:
            others = [str(row.get(name)) for name in self.groups if name != group]
            together.setdefault(json.dumps(others), []).append(row)
        join = _JOINS[self.collapsed[group]]
        return [
            {
                name: value if self.columns[name]["isBucketed"] else join([row[name] for row in same])
                for name, value in same[0].items()
                if name != group
            }
            for same in together.values()
        ]

    def _aggs(self, groups: list[str], context: Context) -> Json:
        inner = {name: _measure(column) for name, column in self.measures.items() if not _is_plain(column)}
        if not groups:
            return inner
        first, *rest = groups
        below = self._aggs(rest, context)
        group = self._group(self.columns[first], context)
        ordered = {name: inner[name] for name in self._orders(self.columns[first]) if name in inner}
        return {first: {**group, "aggs": {**below, **ordered}}}

    def _orders(self, column: Json) -> list[str]:
        by = column["params"].get("orderBy", {})
        return [by["columnId"]] if by.get("type") == "column" else []

    def _group(self, column: Json, context: Context) -> Json:
        params = column["params"]
        match column["operationType"]:
            case "filters":
                named = {each["label"] or each["input"]["query"]: each for each in params["filters"]}
                return {
                    "filters": {"filters": {name: to_query(f["input"]["query"]) for name, f in named.items()}}
                }
            case "date_histogram":
                every = context.interval(params["interval"])
                least = 0 if params.get("includeEmptyRows") else 1
                return {
                    "date_histogram": {
                        "field": column["sourceField"],
                        "fixed_interval": every,
                        "min_doc_count": least,
                    }
                }
            case "terms":
                return {"terms": self._terms(column)}
        raise ValueError(column["operationType"])

    def _terms(self, column: Json) -> Json:
        params = column["params"]
        if params.get("secondaryFields") or params.get("includeIsRegex") or params.get("excludeIsRegex"):
            raise ValueError(f"terms as in {column['label']} are not known here")
        missing = {"missing": "__missing__"} if params.get("missingBucket") else {}
        chosen = {name: params[name] for name in ("include", "exclude") if params.get(name)}
        said = {"field": column["sourceField"], "size": params["size"], **missing, **chosen}
        return said | {"order": {self._order(params): params["orderDirection"]}}

    def _order(self, params: Json) -> str:
        by = params["orderBy"]
        if by["type"] == "alphabetical":
            return "_key"
        measure = self.columns[by["columnId"]]
        if measure["operationType"] in _COMPUTED:
            raise ValueError("Kibana does not order by a formula")
        if _is_plain(measure):
            return "_count"
        nested = (
            "" if not measure.get("filter") else (">_count" if measure["operationType"] == "count" else ">m")
        )
        return by["columnId"] + nested

    def _depth(self, name: str) -> int:
        """A formula is computed from a math column, and that from figures."""
        return 1 + max(map(self._depth, self.columns[name].get("references", ())), default=0)

    def _read(self, bucket: Json, groups: list[str], row: Row) -> Iterator[Row]:
        if groups:
            first, *rest = groups
            for key, below in _buckets(bucket.get(first, {"buckets": []})["buckets"]):
                yield from self._read(below, rest, {**row, first: key})
            return
        values = {name: _value(column, bucket, name) for name, column in self.measures.items()}
        for name in sorted(self.columns.keys() - {*self.groups, *values}, key=self._depth):
            values[name] = compute(self.columns[name], values)
        yield {**row, **values}


def layers(panel: Panel) -> list[Layer]:
    """The layers of a Lens panel; ValueError for what is not formBased, or not known here."""
    sources = panel.state["datasourceStates"]
    if any(source.get("layers") for name, source in sources.items() if name != "formBased"):
        raise ValueError(f"{panel.name} asks in another way than formBased")
    found = []
    for name, layer in sources["formBased"]["layers"].items():
        columns = {each: layer["columns"][each] for each in layer["columnOrder"]}
        if unknown := {column["operationType"] for column in columns.values()} - _OPERATIONS:
            raise ValueError(f"{panel.name} has {unknown}")
        query, filters = panel.state["query"]["query"], tuple(panel.state["filters"])
        found.append(Layer(panel.views[name], columns, query, filters, _collapsed(panel)))
    return found


def _collapsed(panel: Panel) -> dict[str, str]:
    shown = panel.state["visualization"]
    if isinstance(shown.get("columns"), list):  # a table
        return {each["columnId"]: each["collapseFn"] for each in shown["columns"] if "collapseFn" in each}
    if "collapseFn" in json.dumps(shown):
        raise ValueError(f"{panel.name} collapses what is no column of a table")
    return {}


def _is_plain(column: Json) -> bool:
    """Whether the bucket's own count says it."""
    return (
        column["operationType"] == "count" and column["sourceField"] == RECORDS and not column.get("filter")
    )


def _measure(column: Json) -> Json:
    name, source = column["operationType"], column["sourceField"]
    if name == "count":
        inner: Json = {} if source == RECORDS else {"m": {"value_count": {"field": source}}}
    elif name == "last_value":
        # Kibana asks for top_metrics, which the minimal distribution lacks; this is the same document.
        newest = {"sort": [{column["params"]["sortField"]: "desc"}], "size": 1, "_source": False}
        inner = {"m": {"top_hits": newest | {"docvalue_fields": [source]}}}
    else:
        inner = {"m": {_METRICS[name]: {"field": source}}}
    said = (column.get("filter") or {}).get("query", "")
    query: Query = to_query(said)
    return {"filter": query, "aggs": inner} if said or not inner else inner["m"]


def _value(column: Json, bucket: Json, name: str) -> Any:
    if _is_plain(column):
        return bucket["doc_count"]
    found = bucket.get(name)
    if found is None:  # an index that is not there
        return None
    if column.get("filter"):
        if column["operationType"] == "count" and column["sourceField"] == RECORDS:
            return found["doc_count"]
        found = found["m"]
    if column["operationType"] == "last_value":
        hits = found["hits"]["hits"]
        return hits[0]["fields"][column["sourceField"]][0] if hits else None
    return found["value"]


def _buckets(buckets: Any) -> Iterator[tuple[Any, Json]]:
    if isinstance(buckets, dict):
        yield from buckets.items()
        return
    for bucket in buckets:
        if bucket["doc_count"]:  # an hour without anything
            flag = bucket.get("key_as_string") in {"true", "false"}
            yield bucket["key_as_string" if flag else "key"], bucket
