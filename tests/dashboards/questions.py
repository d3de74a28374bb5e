"""What each panel asks: one question for each Lens layer, Vega data set and saved search."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.dashboards import lens, vega
from tests.dashboards.bundle import Dashboard, DataView, Json, Panel
from tests.dashboards.context import Context
from tests.dashboards.kql import fields_of, to_query

PAGE = 10_000  # rows of a saved search that are read; Kibana shows 500 and fetches more by and by

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """`name` is dashboard/panel, and # with the number of the layer or the name of the data set where a
    panel asks more than one thing."""

    name: str
    dashboard: Dashboard
    source: "lens.Layer | _Url | _Search"

    @property
    def fields(self) -> set[str]:
        return self.source.fields

    @property
    def columns(self) -> set[str]:
        """Those that a saved search shows."""
        return set(self.source.saved["columns"]) if isinstance(self.source, _Search) else set()

    @property
    def runtime(self) -> frozenset[str]:
        """The fields that a data view makes."""
        return self.source.view.runtime if self.source.view else frozenset()

    def request(self, context: Context) -> tuple[str, Json]:
        """(index, body)."""
        return self.source.request(context)

    def rows(self, answer: Json) -> list[Row]:
        return self.source.rows(answer)


@dataclass(frozen=True, slots=True)
class _Url:
    url: Json
    view: DataView | None = None

    @property
    def fields(self) -> set[str]:
        return vega.fields_of_body(self.url.get("body", {}))

    def request(self, context: Context) -> tuple[str, Json]:
        return vega.request(self.url, context)

    def rows(self, answer: Json) -> list[Row]:
        return list(vega.rows(self.url.get("body", {}), answer))


@dataclass(frozen=True, slots=True)
class _Search:
    saved: Json
    view: DataView

    @property
    def fields(self) -> set[str]:
        return {*self.saved["columns"], *(name for name, _ in self.saved["sort"]), *fields_of(self._query)}

    @property
    def _query(self) -> str:
        source = json.loads(self.saved["kibanaSavedObjectMeta"]["searchSourceJSON"])
        if source["filter"]:
            raise ValueError("filters of a saved search are not known here")
        return str(source["query"]["query"])

    def request(self, context: Context) -> tuple[str, Json]:
        clauses = [*context.clauses(self.view), to_query(self._query)]
        sort = [{name: {"order": how, "unmapped_type": "boolean"}} for name, how in self.saved["sort"]]
        body = {"size": PAGE, "query": {"bool": {"filter": clauses}}, "sort": sort}
        return context.index(self.view.title), body

    def rows(self, answer: Json) -> list[Row]:
        columns = self.saved["columns"]
        return [{name: at(hit["_source"], name) for name in columns} for hit in answer["hits"]["hits"]]


def at(document: Any, name: str) -> Any:
    """The value of a dotted field; None where it is not there."""
    for part in name.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(part)
    return document


def questions(dashboards: list[Dashboard]) -> dict[str, Question]:
    """Every question by its name; ValueError where two have one name."""
    found: dict[str, Question] = {}
    for dashboard in dashboards:
        for panel in dashboard.panels:
            named = dict(_of(panel))
            for part, source in named.items():
                name = panel.name if len(named) == 1 else f"{panel.name}#{part}"
                if name in found:
                    raise ValueError(f"two panels are called {name}")
                found[name] = Question(name, dashboard, source)
    return found


def _of(panel: Panel) -> Iterator[tuple[str, "lens.Layer | _Url | _Search"]]:
    if panel.kind == "lens":
        yield from ((str(number), layer) for number, layer in enumerate(lens.layers(panel), 1))
    elif panel.kind == "vega":
        yield from ((name, _Url(url)) for name, url in vega.sources(panel).items())
    else:
        yield panel.kind, _Search(panel.state, panel.views[""])
