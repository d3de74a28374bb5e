"""Vega specs in a real browser as Kibana draws them: answers of Elasticsearch put in, calls taken down."""

import base64
import copy
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import vl_convert
from elasticsearch import Elasticsearch
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from tests.dashboards.bundle import Json
from tests.dashboards.context import Context
from tests.dashboards.graphs.png import png
from tests.dashboards.vega import request

SPECS = Path(__file__).parents[3] / "dashboards" / "vega"
SIZE = (1200, 720)
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_PAGE = (Path(__file__).with_name("page.html")).read_text()


class BrowserError(RuntimeError):
    """There is no browser; the message says what to install."""


def chromium() -> str:
    """The browser of this machine; raises BrowserError where there is none."""
    for program in _PROGRAMS:
        path = shutil.which(program)
        if path:
            return path
    raise BrowserError(
        "Chromium is needed to draw the graphs of the dashboards, and there is none: install it (on Debian:"
        " apt-get install chromium fonts-dejavu-core; elsewhere https://www.chromium.org)."
    )


def answered(name: str, search: Elasticsearch, context: Context) -> Json:
    """The spec dashboards/vega/<name>.json with what Elasticsearch answers in the place of each `url`."""
    spec: Json = json.loads((SPECS / f"{name}.json").read_text())
    for data in spec["data"]:
        if isinstance(data.get("url"), dict):
            index, body = request(data.pop("url"), context)
            found = search.search(index=index, body=body, ignore_unavailable=True)
            data["values"] = copy.deepcopy(found.body)
    return spec


class Graph:
    """A spec on a page. Marks are found by name and by fields of their datum."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.troubles: list[str] = []
        page.on("console", self._take_down)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("request", lambda sent: self.troubles.append(f"asked the network for {sent.url}"))

    def show(self, spec: Json) -> None:
        # As text: a large object takes seconds to get there.
        self._page.evaluate("([spec, size]) => show(JSON.parse(spec), size)", [json.dumps(spec), SIZE])

    def refresh(self, spec: Json) -> None:
        """Show new answers in the same panel, as after a change of filters."""
        self._page.evaluate("([spec, size]) => refresh(JSON.parse(spec), size)", [json.dumps(spec), SIZE])

    def resize(self, width: int, height: int) -> None:
        self._page.evaluate("(size) => resize(...size)", [width, height])

    def marks(self, name: str) -> list[Json]:
        """What each mark of a name was made of, in the order in which they are drawn."""
        found: list[Json] = self._page.evaluate("(name) => data(name)", name)
        return found

    def texts(self, name: str) -> list[str]:
        """What the text marks of a name say; the empty ones left out."""
        found: list[str] = self._page.evaluate("(name) => texts(name)", name)
        return found

    def boxes(self, name: str) -> list[list[float]]:
        """Left, top, right and bottom of what each mark of a name covers, texts as they are cut."""
        found: list[list[float]] = self._page.evaluate("(name) => boxes(name)", name)
        return found

    def hover(self, name: str, /, **fields: Any) -> dict[str, str]:
        """The tooltip of a mark, `title` among its lines."""
        self._page.mouse.move(0, 0)
        self._page.mouse.move(*self._place(name, fields))
        self._page.wait_for_selector("#vg-tooltip-element.visible", timeout=5_000)
        found: dict[str, str] = self._page.evaluate("tooltip()")
        return found

    def click(self, name: str, /, **fields: Any) -> None:
        self._page.mouse.click(*self._place(name, fields))
        self._page.evaluate("settled()")

    def choose(self, value: str, nth: int = 0) -> None:
        """Choose from the nth select beneath the graph."""
        self._page.locator("select").nth(nth).select_option(value)
        self._page.evaluate("settled()")

    def calls(self) -> list[Json]:
        """What Kibana was asked for by clicks: `name` and `args`, once each."""
        found: list[Json] = self._page.evaluate("calls.splice(0)")
        return found

    def picture(self, file: Path) -> None:
        self._page.evaluate("document.getElementById('vg-tooltip-element')?.classList.remove('visible')")
        shot = base64.b64encode(self._page.locator("#panel").screenshot()).decode()
        width, values = self._page.evaluate("(shot) => pixels(shot)", shot)
        rgba = np.frombuffer(base64.b64decode(values), dtype=np.uint8).reshape(-1, width, 4)
        file.write_bytes(png(rgba[:, :, :3]))

    def _place(self, name: str, fields: Mapping[str, Any]) -> tuple[float, float]:
        found = self._page.evaluate("([name, fields]) => place(name, fields)", [name, fields])
        if found is None:
            raise LookupError(f"no mark {name} with {fields} can be pointed at")
        return found[0], found[1]

    def _take_down(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(message.text)


@contextmanager
def browser() -> Iterator[Page]:
    """A page without a network, with Vega on it."""
    program = chromium()
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    width, height = SIZE
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = started.new_page(viewport={"width": width + 20, "height": height + 80}, offline=True)
        page.set_content(_PAGE)
        page.add_script_tag(content=vega)
        yield page
        started.close()
