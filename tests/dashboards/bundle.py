"""The bundled dashboards as Kibana gets them: what an NDJSON of saved objects holds, taken apart."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUNDLE = Path(__file__).parents[2] / "dashboards" / "build" / "flowtier.ndjson"
LAYER = "indexpattern-datasource-layer-"
QUIET = frozenset(("links", "DASHBOARD_MARKDOWN", "image"))  # panels that ask Elasticsearch nothing
SEARCH_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DataView:
    """Where a panel looks: `title` is the index pattern."""

    id: str
    title: str
    time_field: str
    runtime: frozenset[str]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel that asks something. `state` is Lens's, a Vega spec, or the attributes of a saved search."""

    name: str  # dashboard/title
    kind: str  # lens, vega or search
    state: Json
    views: dict[str, DataView] = field(default_factory=dict)  # by Lens layer; "" for a saved search


@dataclass(frozen=True, slots=True)
class Control:
    title: str
    field: str
    view: DataView


@dataclass(frozen=True, slots=True)
class Dashboard:
    id: str
    title: str
    panels: tuple[Panel, ...]
    controls: tuple[Control, ...]
    filters: tuple[Json, ...]
    query: str


def read_bundle(file: Path = BUNDLE) -> list[Dashboard]:
    """The dashboards of a bundle; ValueError for a panel of a kind that is not known here."""
    objects = [json.loads(line) for line in file.read_text().splitlines()]
    by_id = {(each["type"], each["id"]): each for each in objects if "type" in each}
    return [_dashboard(each, by_id) for (kind, _), each in by_id.items() if kind == "dashboard"]


def _view(by_id: dict[tuple[str, str], Json], view_id: str) -> DataView:
    attributes = by_id["index-pattern", view_id]["attributes"]
    runtime = json.loads(attributes.get("runtimeFieldMap") or "{}")
    return DataView(view_id, attributes["title"], attributes["timeFieldName"], frozenset(runtime))


def _dashboard(saved: Json, by_id: dict[tuple[str, str], Json]) -> Dashboard:
    attributes = saved["attributes"]
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    panels = tuple(_panels(saved, by_id))
    controls = tuple(_controls(saved, by_id))
    query = source.get("query", {}).get("query", "")
    return Dashboard(saved["id"], attributes["title"], panels, controls, tuple(source["filter"]), query)


def _panels(saved: Json, by_id: dict[tuple[str, str], Json]) -> Iterator[Panel]:
    references = {each["name"]: each for each in saved["references"]}
    for panel in json.loads(saved["attributes"]["panelsJSON"]):
        own, config = panel["panelIndex"], panel["embeddableConfig"]
        title = panel.get("title") or config.get("title") or config.get("attributes", {}).get("title")
        vis = config.get("savedVis", {})
        kind = vis.get("type", panel["type"])
        if kind in QUIET or kind == "markdown":
            continue
        if kind == "vega":
            state = json.loads(vis["params"]["spec"])
            yield Panel(f"{saved['id']}/{title or vis['title']}", kind, state)
        elif kind == "lens":
            attributes = config["attributes"]
            views = {
                each["name"].rpartition(LAYER)[2]: _view(by_id, each["id"])
                for each in (*attributes["references"], *saved["references"])
                if LAYER in each["name"] and each["name"].startswith((LAYER, own))
            }
            yield Panel(f"{saved['id']}/{title}", kind, attributes["state"], views)
        elif kind == "search":
            found = by_id["search", references[f"{own}:panel_{own}"]["id"]]
            index = next(each["id"] for each in found["references"] if each["name"] == SEARCH_INDEX)
            named = f"{saved['id']}/{title or found['attributes']['title']}"
            yield Panel(named, kind, found["attributes"], {"": _view(by_id, index)})
        else:
            raise ValueError(f"a panel of kind {kind} on {saved['id']}")


def _controls(saved: Json, by_id: dict[tuple[str, str], Json]) -> Iterator[Control]:
    group = saved["attributes"].get("controlGroupInput")
    references = {each["name"]: each["id"] for each in saved["references"]}
    for name, control in json.loads(group["panelsJSON"]).items() if group else ():
        if control["type"] != "optionsListControl":
            raise ValueError(f"a control of type {control['type']} on {saved['id']}")
        said = control["explicitInput"]
        view = said.get("dataViewId") or references[f"controlGroup_{name}:optionsListDataView"]
        yield Control(said.get("title") or said["fieldName"], said["fieldName"], _view(by_id, view))
