"""Dashboards for Kibana: YAML and Vega that are compiled to saved objects, and what was compiled last."""

from pathlib import Path

FOLDER = Path(__file__).parent
BUILT = FOLDER / "build" / "flowtier.ndjson"
