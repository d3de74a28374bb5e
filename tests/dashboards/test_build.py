"""The NDJSON that is committed is what the YAML says, the same on every machine, and told as a list."""

import json
import os
import subprocess
import sys

import pytest

from dashboards import BUILT, FOLDER
from dashboards.compile import ndjson, saved_objects
from dashboards.compile_dashboard import DashboardError, compile_dashboard
from tests.dashboards.flowtier import run

IDS = [
    *("flowtier-overview", "flowtier-staged-impact", "flowtier-service-graph", "flowtier-flowviz"),
    *("flowtier-flow-logs", "flowtier-policy-board", "flowtier-recommendations", "flowtier-threats"),
]


def test_it_is_not_stale():
    assert BUILT.read_text() == ndjson(saved_objects()), "make dashboards"


@pytest.mark.parametrize("seed", ["1", "2"])
def test_it_is_the_same_whatever_the_order_of_hashes(seed):
    script = "from dashboards.compile import *; print(ndjson(saved_objects()), end='')"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    made = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=FOLDER.parent, capture_output=True, check=True
    )
    assert made.stdout == BUILT.read_bytes()


def test_check_tells_what_is_stale_and_writes_nothing(tmp_path, monkeypatch):
    stale = tmp_path / "flowtier.ndjson"
    stale.write_text("{}\n")
    monkeypatch.setattr("dashboards.compile.BUILT", stale)
    monkeypatch.setattr(sys, "argv", ["compile", "--check"])
    with pytest.raises(SystemExit) as ended:
        __import__("dashboards.compile").compile.main()
    assert ended.value.code == 1
    assert stale.read_text() == "{}\n"


def test_two_panels_of_one_title_are_refused():
    panel = {"title": "Twice", "markdown": {"content": ""}}
    page = {"id": "x", "name": "X", "look_for": "", "controls": {}, "panels": [panel, panel]}
    with pytest.raises(DashboardError, match="x: two panels have one title"):
        compile_dashboard(page, [page], {})


def test_the_list_names_every_dashboard_in_the_order_of_their_links():
    listed = [json.loads(line) for line in run("list", "--json").out.splitlines()]
    assert [each["id"] for each in listed] == IDS
    assert all(each["description"] and each["panels"] for each in listed)


def test_the_table_has_every_dashboard_and_what_it_shows():
    table = run("list").out
    for line in run("list", "--json").out.splitlines():
        each = json.loads(line)
        (row,) = (row for row in table.splitlines() if f" {each['id']} " in row)
        assert f" {len(each['panels'])} " in row
        assert each["description"] in row
