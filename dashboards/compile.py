"""YAML ▸ Kibana's saved objects: `python -m dashboards.compile` writes dashboards/build/flowtier.ndjson."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from dashboards import BUILT, FOLDER
from dashboards.compile_dashboard import compile_dashboard
from dashboards.compile_data import compile_data_view, compile_search

type SavedObject = dict[str, Any]


def saved_objects() -> list[SavedObject]:
    """Every object of the folder: data views, saved searches, and dashboards in their order."""
    shared = {file.stem: _read(file) for file in sorted((FOLDER / "shared").glob("*.yaml"))}
    pages = [_read(file) for file in sorted(FOLDER.glob("*.yaml"))]
    pages.sort(key=lambda page: int(page["order"]))
    return [
        *(compile_data_view(each) for each in shared["data-views"]),
        *(compile_search(each) for each in shared["searches"]),
        *(compile_dashboard(page, pages, shared["controls"]) for page in pages),
    ]


def ndjson(objects: Iterable[SavedObject]) -> str:
    """One object a line, with sorted keys: what did not change does not differ."""
    return "".join(json.dumps(each, sort_keys=True, ensure_ascii=False) + "\n" for each in objects)


def _read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where it is stale")
    check = parser.parse_args().check
    text = ndjson(saved_objects())
    if check:
        sys.exit(int(not BUILT.exists() or BUILT.read_text() != text))
    BUILT.write_text(text)


if __name__ == "__main__":
    main()
