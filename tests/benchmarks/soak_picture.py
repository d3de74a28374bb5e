"""The picture of a soak: throughput, backlog and memory over time."""

from pathlib import Path
from typing import Any

import vl_convert

_PANELS = (
    ("flows_per_second", "flows/s"),
    ("behind", "flows that wait"),
    ("memory_mb", "memory of the worker, MB"),
)


def draw(samples: list[dict[str, float]], picture: Path) -> None:
    """Write the samples as an SVG of one panel for each figure."""
    panels = [_panel(field, title) for field, title in _PANELS]
    picture.write_text(vl_convert.vegalite_to_svg({"data": {"values": samples}, "vconcat": panels}))


def _panel(field: str, title: str) -> dict[str, Any]:
    return {
        "width": 640,
        "height": 120,
        "mark": {"type": "line", "strokeWidth": 1.5},
        "encoding": {
            "x": {"field": "minute", "type": "quantitative", "title": "minutes"},
            "y": {"field": field, "type": "quantitative", "title": title, "scale": {"zero": True}},
        },
    }
