"""What is bundled: the dashboards of the built NDJSON, as a person is told of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from dashboards import BUILT

_QUIET = ("links", "markdown")  # panels that ask Elasticsearch nothing


@dataclass(frozen=True, slots=True)
class Bundled:
    id: str
    title: str
    description: str
    panels: list[str]  # titles


def bundled() -> Iterator[Bundled]:
    """Every dashboard, in the order of the links between them."""
    for line in BUILT.read_text().splitlines():
        saved = json.loads(line)
        if saved["type"] == "dashboard":
            attributes = saved["attributes"]
            titles = list(_titles(attributes["panelsJSON"]))
            yield Bundled(saved["id"], attributes["title"], attributes["description"], titles)


def _titles(panels: str) -> Iterator[str]:
    for panel in json.loads(panels):
        config = panel["embeddableConfig"]
        shown = config.get("attributes") or config.get("savedVis") or config
        if panel["type"] not in _QUIET and shown.get("type") not in _QUIET:
            yield shown["title"]
