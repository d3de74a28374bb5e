"""What kb-dashboard-core makes of a dashboard ▸ what Kibana's own exports hold."""

import json
import uuid
from typing import Any

# Makes our ids ours; never to be changed, or what was imported before stays beside what is imported now.
IDS = uuid.UUID("6f1f2b5e-2f0a-5d0b-9a55-0e9d6d1f8c31")
_DATES = ("@timestamp", "first", "last", "last_hit")  # fields whose least and greatest are no numbers
_KEPT = ("attributes", "coreMigrationVersion", "id", "managed", "references", "type", "typeMigrationVersion")


def as_exported(
    saved: dict[str, Any], data_view: str, descriptions: dict[str, str], collapsed: dict[str, str]
) -> dict[str, Any]:
    """Without made-up authors and times; with what the library leaves out: the `data_view` of filters,
    `descriptions` of panels by id, and how columns of tables are `collapsed`, by theirs."""
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
    saved["references"] += _refer_filters(attributes["kibanaSavedObjectMeta"], data_view)
    return {key: saved[key] for key in _KEPT}


def _complete_lens(lens: dict[str, Any], collapsed: dict[str, str]) -> None:
    """References to data views only, the dashboard's own hold those of drill-downs too; times are dates."""
    lens["references"] = [each for each in lens["references"] if each["type"] == "index-pattern"]
    for layer in lens["state"]["datasourceStates"]["formBased"]["layers"].values():
        for column in layer["columns"].values():
            if column.get("sourceField") in _DATES and column["operationType"] in ("min", "max"):
                column["dataType"] = "date"
    for column in lens["state"]["visualization"].get("columns", ()):
        if column["columnId"] in collapsed:
            column["collapseFn"] = collapsed[column["columnId"]]


def _refer_filters(meta: dict[str, Any], data_view: str) -> list[dict[str, str]]:
    """References of a dashboard's filters to the data view that their fields are of."""
    source = json.loads(meta["searchSourceJSON"])
    references = []
    for number, each in enumerate(source["filter"]):
        name = f"kibanaSavedObjectMeta.searchSourceJSON.filter[{number}].meta.index"
        each["meta"]["indexRefName"] = name
        references.append({"type": "index-pattern", "id": data_view, "name": name})
    meta["searchSourceJSON"] = json.dumps(source)
    return references
