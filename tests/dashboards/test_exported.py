"""The NDJSON has the shapes of what real Kibana exported (8.14 to 9.x), and all that it refers to."""

import json
import re
import uuid
from typing import Any

import pytest

from dashboards import BUILT
from pipeline.flow import FIELDS
from pipeline.index import templates

OBJECTS = [json.loads(line) for line in BUILT.read_text().splitlines()]
DASHBOARDS = [each for each in OBJECTS if each["type"] == "dashboard"]
# As seen in exports; what 8.19 knows and 9.x migrates. A later one would be refused by an earlier Kibana.
VERSIONS = {"dashboard": "10.2.0", "index-pattern": "8.0.0", "search": "10.5.0"}
# attributes that are JSON in a string
STRINGS = {
    "dashboard": ["panelsJSON", "optionsJSON"],
    "index-pattern": [
        "fieldFormatMap",
        "runtimeFieldMap",
        "fieldAttrs",
        "fields",
        "sourceFilters",
        "typeMeta",
    ],
    "search": [],
}
KEYS = {
    "dashboard": {
        *("title", "description", "panelsJSON", "optionsJSON", "controlGroupInput", "timeRestore"),
        *("timeFrom", "timeTo", "version", "kibanaSavedObjectMeta"),
    },
    "index-pattern": {"title", "name", "timeFieldName", "allowNoIndex", *STRINGS["index-pattern"]},
    "search": {
        *("title", "description", "columns", "sort", "grid", "hideChart", "isTextBasedQuery", "timeRestore"),
        "kibanaSavedObjectMeta",
    },
}
KINDS = {"lens", "visualization", "search", "links"}
OURS = re.compile(r"flowtier-[a-z-]+")


@pytest.fixture(params=OBJECTS, ids=lambda each: f"{each['type']} {each['id']}")
def saved(request) -> dict[str, Any]:
    return request.param


@pytest.fixture(params=DASHBOARDS, ids=lambda each: each["id"])
def dashboard(request) -> dict[str, Any]:
    return request.param


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return json.loads(dashboard["attributes"]["panelsJSON"])


def controls(dashboard: dict[str, Any]) -> dict[str, Any]:
    return json.loads(dashboard["attributes"]["controlGroupInput"]["panelsJSON"])


def references(saved: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["name"]: (each["type"], each["id"]) for each in saved["references"]}


def test_it_has_the_keys_and_versions_of_an_export(saved):
    assert set(saved) == {
        *("attributes", "coreMigrationVersion", "id", "managed", "references", "type", "typeMigrationVersion")
    }
    assert set(saved["attributes"]) == KEYS[saved["type"]]
    assert (saved["coreMigrationVersion"], saved["managed"]) == ("8.8.0", False)
    assert saved["typeMigrationVersion"] == VERSIONS[saved["type"]]
    assert OURS.fullmatch(saved["id"])


def test_what_kibana_keeps_as_json_in_a_string_is_so(saved):
    attributes = saved["attributes"]
    for name in STRINGS[saved["type"]]:
        json.loads(attributes[name])
    if "kibanaSavedObjectMeta" in attributes:
        source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
        assert source["query"]["language"] == "kuery"
        for each in source["filter"]:
            assert references(saved)[each["meta"]["indexRefName"]][0] == "index-pattern"


def test_no_two_objects_have_one_id():
    assert len({(each["type"], each["id"]) for each in OBJECTS}) == len(OBJECTS)


def test_everything_it_refers_to_is_in_the_file_and_nothing_is_referred_to_twice(saved):
    there = {(each["type"], each["id"]) for each in OBJECTS}
    assert set(references(saved).values()) <= there
    assert len(references(saved)) == len(saved["references"])


def test_panels_have_the_shape_of_an_export(dashboard):
    for panel in panels(dashboard):
        assert panel["type"] in KINDS
        assert set(panel["gridData"]) == {"x", "y", "w", "h", "i"}
        assert panel["panelIndex"] == panel["gridData"]["i"] == str(uuid.UUID(panel["panelIndex"]))
        assert uuid.UUID(panel["panelIndex"]).version == 5, "an id that is made from names stays the same"


def test_panels_do_not_overlap_and_are_within_the_grid(dashboard):
    taken: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        x, y, w, h = (panel["gridData"][name] for name in "xywh")
        cells = {(column, row) for column in range(x, x + w) for row in range(y, y + h)}
        assert x + w <= 48
        assert not cells & taken
        taken |= cells


def test_lens_panels_have_the_shape_of_an_export(dashboard):
    for panel in panels(dashboard):
        if panel["type"] != "lens":
            continue
        lens, own = panel["embeddableConfig"]["attributes"], references(dashboard)
        layers = lens["state"]["datasourceStates"]["formBased"]["layers"]
        assert {"visualization", "query", "filters", "internalReferences", "adHocDataViews"} < set(
            lens["state"]
        )
        assert lens["type"] == "lens"
        for name, layer in layers.items():
            reference = f"indexpattern-datasource-layer-{name}"
            assert {
                "name": reference,
                "type": "index-pattern",
                "id": own[f"{panel['panelIndex']}:{reference}"][1],
            } in (lens["references"])
            assert sorted(layer["columns"]) == sorted(layer["columnOrder"])


def test_vega_and_text_panels_have_the_shape_of_an_export(dashboard):
    for panel in panels(dashboard):
        if panel["type"] != "visualization":
            continue
        saved = panel["embeddableConfig"]["savedVis"]
        assert {"type", "title", "description", "params", "uiState", "data"} <= set(saved)
        assert saved["data"] == {
            "aggs": [],
            "searchSource": {"query": {"query": "", "language": "kuery"}, "filter": []},
        }
        if saved["type"] == "vega":
            assert json.loads(saved["params"]["spec"])["$schema"].startswith(
                "https://vega.github.io/schema/vega"
            )


def test_saved_searches_are_referred_to_by_name(dashboard):
    for panel in panels(dashboard):
        if panel["type"] == "search":
            assert panel["panelRefName"] == f"panel_{panel['panelIndex']}"
            assert "attributes" not in panel["embeddableConfig"]
            name = f"{panel['panelIndex']}:{panel['panelRefName']}"
            assert references(dashboard)[name][0] == "search"


def test_every_dashboard_has_text_and_links_to_all_that_keep_filters_and_time(dashboard):
    links, text, *_ = panels(dashboard)
    own = references(dashboard)
    items = links["embeddableConfig"]["attributes"]["links"]
    targets = [own[f"{links['panelIndex']}:{each['destinationRefName']}"] for each in items]
    assert targets == [("dashboard", each["id"]) for each in DASHBOARDS]
    assert all(
        each["options"]["useCurrentFilters"] and each["options"]["useCurrentDateRange"] for each in items
    )
    words = text["embeddableConfig"]["savedVis"]["params"]["markdown"]
    assert "empty" in words.lower(), "says what an empty panel means"


def test_every_drilldown_keeps_filters_and_time_and_leads_somewhere(dashboard):
    for panel in panels(dashboard):
        actions = panel["embeddableConfig"]["enhancements"].get("dynamicActions", {"events": []})
        for event in actions["events"]:
            assert event["triggers"] == ["FILTER_TRIGGER"]
            config = event["action"]["config"]
            assert config["useCurrentFilters"]
            assert config["useCurrentDateRange"]
            action = f"drilldown:{event['action']['factoryId']}:{event['eventId']}:dashboardId"
            assert references(dashboard)[f"{panel['panelIndex']}:{action}"][0] == "dashboard"


def test_every_control_is_of_a_field_that_is_there(dashboard):
    views = {each["id"]: each["attributes"] for each in OBJECTS if each["type"] == "index-pattern"}
    own = references(dashboard)
    assert controls(dashboard)
    for name, control in controls(dashboard).items():
        given = control["explicitInput"]
        assert own[f"controlGroup_{name}:optionsListDataView"] == ("index-pattern", given["dataViewId"])
        assert given["id"] == name
        view = views[given["dataViewId"]]
        known = fields_of(view["title"]) | set(json.loads(view["runtimeFieldMap"]))
        assert given["fieldName"] in known


def test_every_dashboard_can_be_narrowed_to_a_cluster_and_a_namespace(dashboard):
    fields = {control["explicitInput"]["fieldName"] for control in controls(dashboard).values()}
    assert "cluster" in fields
    assert fields & {"verdict.namespace", "namespace"}


def fields_of(pattern: str) -> set[str]:
    """The fields of the index template for indices of this pattern."""
    (properties,) = (
        template["template"]["mappings"]["properties"]
        for name, template in templates(1, 0).items()
        if pattern.startswith(f"{name}.")
    )
    return set(_names(properties, ""))


def _names(properties: dict[str, Any], before: str) -> list[str]:
    return [
        found
        for name, each in properties.items()
        for found in (
            _names(each["properties"], f"{before}{name}.") if "properties" in each else [f"{before}{name}"]
        )
    ]


def test_the_fields_of_flows_are_those_of_the_template():
    assert fields_of("flowtier_flows.*") == {each.name for each in FIELDS if each.type}
