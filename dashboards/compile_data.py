"""Data views and saved searches, which kb-dashboard-core does not make: YAML ▸ saved objects."""

import json
from typing import Any

from dashboards import FOLDER

_CORE_VERSION = "8.8.0"
_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"


def compile_data_view(given: dict[str, Any]) -> dict[str, Any]:
    """A data view of shared/data-views.yaml."""
    runtime = {name: _runtime_field(**each) for name, each in given.get("runtime_fields", {}).items()}
    formats = {name: {"id": id_} for name, id_ in given.get("formats", {}).items()}
    attributes = {
        "title": given["title"],
        "name": given["name"],
        "timeFieldName": "@timestamp",
        "allowNoIndex": True,  # nothing was written yet: an empty panel, not an error
        "fieldFormatMap": json.dumps(formats),
        "runtimeFieldMap": json.dumps(runtime),
        "fieldAttrs": "{}",
        "fields": "[]",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return _saved("index-pattern", "8.0.0", given["id"], attributes, [])


def _runtime_field(script: str, **words: str) -> dict[str, Any]:
    source = (FOLDER / "shared" / script).read_text()
    for word, stands_for in words.items():
        source = source.replace(word, stands_for)
    return {"type": "keyword", "script": {"source": source}}


def compile_search(given: dict[str, Any]) -> dict[str, Any]:
    """A saved search of shared/searches.yaml."""
    source = {
        "query": {"query": given.get("kql", ""), "language": "kuery"},
        "filter": [],
        "indexRefName": _SOURCE,
    }
    widths = {name: {"width": width} for name, width in given.get("widths", {}).items()}
    attributes = {
        "title": given["title"],
        "description": given["description"],
        "columns": given["columns"],
        "sort": [["@timestamp", "desc"]],
        "grid": {"columns": widths},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    reference = {"id": given["data_view"], "name": _SOURCE, "type": "index-pattern"}
    return _saved("search", "10.5.0", given["id"], attributes, [reference])


def _saved(
    kind: str, version: str, id_: str, attributes: dict[str, Any], references: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "type": kind,
        "id": id_,
        "attributes": attributes,
        "references": references,
        "managed": False,
        "coreMigrationVersion": _CORE_VERSION,
        "typeMigrationVersion": version,
    }
