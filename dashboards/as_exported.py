"""What kb-dashboard-core makes of a dashboard ▸ what Kibana's own exports hold."""

import json
import re
import uuid
from typing import Any

# Makes our ids ours; never to be changed, or what was imported before stays beside what is imported now.
IDS = uuid.UUID("6f1f2b5e-2f0a-5d0b-9a55-0e9d6d1f8c31")
_KEPT = ("attributes", "coreMigrationVersion", "id", "managed", "references", "type", "typeMigrationVersion")
_INDEX = re.compile(r"\s*FROM\s+(\S+)")


def as_exported(
    saved: dict[str, Any], descriptions: dict[str, str], collapsed: dict[str, str]
) -> dict[str, Any]:
    """Without made-up authors and times; with what the library leaves out: `descriptions` of panels by id,
    and how columns of tables are `collapsed`, by theirs."""
    attributes = saved["attributes"]
    panels = json.loads(attributes["panelsJSON"])
    for panel in panels:
        config = panel["embeddableConfig"]
        if description := descriptions.get(panel["panelIndex"]):
            config["description"] = description
        if panel["type"] == "search":
            panel["panelRefName"] = f"panel_{panel['panelIndex']}"
            config.pop("savedObjectId")
        if panel["type"] == "lens":
            _complete_lens(config["attributes"], collapsed)
    attributes["panelsJSON"] = json.dumps(panels, ensure_ascii=False)
    return {key: saved[key] for key in _KEPT}


def _complete_lens(lens: dict[str, Any], collapsed: dict[str, str]) -> None:
    """References to data views only, and of ES|QL the data view that it stands for: without one Kibana 9.3
    cannot open the panel in Discover."""
    lens["references"] = [each for each in lens["references"] if each["type"] == "index-pattern"]
    state = lens["state"]
    for column in state["visualization"].get("columns", ()):
        if column["columnId"] in collapsed:
            column["collapseFn"] = collapsed[column["columnId"]]
    for id_, layer in state["datasourceStates"].get("textBased", {}).get("layers", {}).items():
        view = _ad_hoc_data_view(layer["query"]["esql"])
        layer["index"] = view["id"]
        state["adHocDataViews"][view["id"]] = view
        name = f"indexpattern-datasource-layer-{id_}"
        state["internalReferences"].append({"type": "index-pattern", "id": view["id"], "name": name})


def _ad_hoc_data_view(esql: str) -> dict[str, Any]:
    index = _INDEX.match(esql)
    if not index:
        raise ValueError(f"an ES|QL query begins with FROM and its index: {esql}")
    return {
        "id": str(uuid.uuid5(IDS, f"ES|QL on {index[1]}")),
        "title": index[1],
        "name": index[1],
        "timeFieldName": "@timestamp",
        "type": "esql",
        "allowNoIndex": True,
        "sourceFilters": [],
        "fieldFormats": {},
        "fieldAttrs": {},
        "runtimeFieldMap": {},
    }
