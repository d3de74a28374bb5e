"""The README's tables are those of the code (rewritten by --update-cases)."""

import re
from pathlib import Path

import pytest

from agents.cli import COMMANDS
from pipeline.flow import fields_table
from pipeline.metrics import table as metrics_table

README = Path(__file__).parents[2] / "README.md"
TABLES = {"fields": fields_table, "metrics": metrics_table}


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_the_codes(name, pytestconfig):
    text = README.read_text()
    found = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    table = TABLES[name]().strip() + "\n"
    if pytestconfig.getoption("--update-cases"):
        text = found.sub(lambda marks: marks[1] + table + marks[2], text)
        README.write_text(text)
    assert f"<!-- {name} -->\n{table}<!-- /{name} -->" in text


def test_every_command_that_the_readme_names_is_there():
    named = set(re.findall(r"^(?:\.venv/bin/)?flowtier ([a-z-]+)", README.read_text(), re.MULTILINE))
    assert named <= COMMANDS.keys()
