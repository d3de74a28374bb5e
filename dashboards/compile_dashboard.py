"""One dashboard's YAML, as dashboards/README.md says ▸ its saved object, by kb-dashboard-core."""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from kb_dashboard_core import render
from kb_dashboard_core.dashboard.config import Dashboard

from dashboards import FOLDER
from dashboards.as_exported import IDS, as_exported

type Page = dict[str, Any]  # a dashboard's YAML

_OWN = ("order", "look_for", "colours")  # keys that the library does not know
_LINE = 200  # characters
_SETTINGS = {"margins": True, "sync": {"cursor": True, "tooltips": True, "colors": True}}


class DashboardError(ValueError):
    """A dashboard's YAML that cannot be compiled; the message names it."""


def compile_dashboard(page: Page, pages: Sequence[Page], controls: dict[str, Any]) -> dict[str, Any]:
    """The saved object of `page`; `pages` are those it links to, `controls` those that have a name."""
    panels = [_links(page, pages), _look_for(page), *map(_panel, page["panels"])]
    if len({panel["title"] for panel in panels}) < len(panels):
        raise DashboardError(f"{page['id']}: two panels have one title, and ids are made from titles")
    for panel in panels:
        panel["id"] = _id(page, panel["title"])
    made = {
        "name": f"Flowtier: {page['name']}",
        "panels": panels,
        "controls": list(_controls(page, controls)),
        "settings": _SETTINGS,
    }
    config = Dashboard.model_validate({key: page[key] for key in page if key not in _OWN} | made)
    descriptions = {panel["id"]: panel.get("description", "") for panel in panels}
    saved = render(config).model_dump(by_alias=True)
    return as_exported(saved, next(iter(page["controls"])), descriptions, dict(_collapsed(page)))


def _collapsed(page: Page) -> Iterable[tuple[str, str]]:
    """By its id, how a breakdown of a table is collapsed, which the library takes and leaves out."""
    for panel in page["panels"]:
        for each in panel.get("lens", {}).get("breakdowns", ()):
            if "collapse" in each:
                yield each["id"], each["collapse"]


def _links(page: Page, pages: Iterable[Page]) -> dict[str, Any]:
    """To every dashboard, with the filters, the time and what the controls have chosen here."""
    keep = {"with_time": True, "with_filters": True, "new_tab": False}
    items = [
        {"id": _id(page, f"link to {each['id']}"), "label": each["name"], "dashboard": each["id"], **keep}
        for each in pages
    ]
    size = {"w": "whole", "h": 3}
    return {"title": "Dashboards", "hide_title": True, "size": size, "links": {"items": items}}


def _look_for(page: Page) -> dict[str, Any]:
    """A list of what `look_for` says, with room for all of it on a screen of usual width."""
    lines = str(page["look_for"]).splitlines()
    size = {"w": "whole", "h": 2 + sum(-(-len(line) // _LINE) for line in lines)}
    content = "\n".join(f"- {line}" for line in lines)
    return {"title": "What to look for", "hide_title": True, "size": size, "markdown": {"content": content}}


def _panel(panel: dict[str, Any]) -> dict[str, Any]:
    """A panel for the library: one of Vega names its file; drill-downs follow a filter, as Kibana wants."""
    made = dict(panel)
    if "vega" in panel:
        made["vega"] = {"spec": json.loads((FOLDER / "vega" / f"{panel['vega']}.json").read_text())}
    if "drilldowns" in panel:
        made["drilldowns"] = [{"triggers": ["filter"], **each} for each in panel["drilldowns"]]
    return made


def _controls(page: Page, named: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for data_view, names in page["controls"].items():
        for name in names:
            control = named[name] if isinstance(name, str) else name
            own = {"id": _id(page, f"control of {control['field']}"), "data_view": data_view}
            yield {"type": "options", "width": "small", **control, **own}


def _id(page: Page, name: str) -> str:
    return str(uuid.uuid5(IDS, f"{page['id']}/{name}"))
