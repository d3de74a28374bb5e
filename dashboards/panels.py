"""What is bundled, as data: the dashboards, panels and controls of the NDJSON, and what each asks for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from dashboards import BUILT
from dashboards.query_fields import esql_fields, kql_fields, vega_fields

type SavedObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its kind, the index pattern it reads, and the names of fields in its query."""

    dashboard: str  # id
    id: str
    title: str
    kind: str  # lens, esql, vega, search, markdown or links
    index: str = ""  # pattern; of Vega the first one
    query: str = ""  # ES|QL or, of lens and search, KQL
    fields: frozenset[str] = frozenset()
    config: dict[str, Any] = field(default_factory=dict)  # Lens' state, the search's attributes, Vega's spec


@dataclass(frozen=True, slots=True)
class Control:
    """A drop-down of a dashboard."""

    dashboard: str
    label: str
    field: str
    index: str


@cache
def bundled() -> tuple[SavedObject, ...]:
    """The saved objects as they were built."""
    return tuple(json.loads(line) for line in BUILT.read_text().splitlines())


def dashboards() -> list[SavedObject]:
    return [each for each in bundled() if each["type"] == "dashboard"]


def panels() -> Iterator[Panel]:
    """Every panel of every dashboard."""
    for dashboard in dashboards():
        references = {each["name"]: each["id"] for each in dashboard["references"]}
        for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
            yield _panel(dashboard["id"], panel, references)


def controls() -> Iterator[Control]:
    """Every control of every dashboard."""
    for dashboard in dashboards():
        for control in json.loads(dashboard["attributes"]["controlGroupInput"]["panelsJSON"]).values():
            given = control["explicitInput"]
            index = _pattern(given["dataViewId"])
            yield Control(dashboard["id"], given["title"], given["fieldName"], index)


def vega_queries(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(index, request body) of each data set of a Vega spec that Kibana asks Elasticsearch for."""
    data = spec["data"] if isinstance(spec["data"], list) else [spec["data"]]
    urls = [each["url"] for each in data if isinstance(each.get("url"), dict)]
    return [(url["index"], url["body"]) for url in urls]


def _panel(dashboard: str, panel: dict[str, Any], references: dict[str, str]) -> Panel:
    id_, config = panel["panelIndex"], panel["embeddableConfig"]
    if panel["type"] == "lens":
        return _lens(dashboard, id_, config["attributes"], references)
    if panel["type"] == "search":
        return _search(dashboard, id_, config["title"], references[f"{id_}:panel_{id_}"])
    if panel["type"] == "links":
        return Panel(dashboard, id_, config["title"], "links")
    saved = config["savedVis"]
    if saved["type"] == "markdown":
        return Panel(dashboard, id_, saved["title"], "markdown")
    spec = json.loads(saved["params"]["spec"])
    queries = vega_queries(spec)
    fields = frozenset(name for _, body in queries for name in vega_fields(body))
    return Panel(dashboard, id_, saved["title"], "vega", queries[0][0], fields=fields, config=spec)


def _lens(dashboard: str, id_: str, lens: dict[str, Any], references: dict[str, str]) -> Panel:
    state = lens["state"]
    if "esql" in state["query"]:
        esql = state["query"]["esql"]
        index = next(iter(state["adHocDataViews"].values()))["title"]
        return Panel(dashboard, id_, lens["title"], "esql", index, esql, esql_fields(esql), state)
    layers = state["datasourceStates"]["formBased"]["layers"]
    columns = [column for layer in layers.values() for column in layer["columns"].values()]
    fields = {name for column in columns for name in _column_fields(column)}
    query = state["query"]["query"]
    index = _pattern(references[f"{id_}:indexpattern-datasource-layer-{next(iter(layers))}"])
    fields |= kql_fields(query)
    return Panel(dashboard, id_, lens["title"], "lens", index, query, frozenset(fields), state)


def _column_fields(column: dict[str, Any]) -> Iterator[str]:
    if column.get("sourceField", "___records___") != "___records___":
        yield column["sourceField"]
    yield from column.get("params", {}).get("secondaryFields", ())
    yield from kql_fields(column.get("filter", {}).get("query", ""))
    for each in column.get("params", {}).get("filters", ()):
        yield from kql_fields(each["input"]["query"])


def _search(dashboard: str, id_: str, title: str, search: str) -> Panel:
    found = _object("search", search)
    attributes = found["attributes"]
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    query = source["query"]["query"]
    fields = frozenset(attributes["columns"]) | kql_fields(query)
    index = _pattern(found["references"][0]["id"])
    return Panel(dashboard, id_, title, "search", index, query, fields, attributes)


def _pattern(data_view: str) -> str:
    return str(_object("index-pattern", data_view)["attributes"]["title"])


def _object(kind: str, id_: str) -> SavedObject:
    return next(each for each in bundled() if (each["type"], each["id"]) == (kind, id_))
