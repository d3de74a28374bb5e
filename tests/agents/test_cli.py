"""The list of commands, and what one costs before it does anything."""

import subprocess
import sys

import click
import pytest

from agents.cli import COMMANDS, group

OF_SERVERS = {"aiohttp", "confluent_kafka", "elasticsearch", "faust"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_found_by_its_name(name) -> None:
    command = group.get_command(click.Context(group), name)
    assert command
    assert command.name == name
    assert command.get_short_help_str()


def test_a_command_that_reads_files_imports_nothing_that_speaks_to_servers() -> None:
    code = (
        "import click, sys; from agents.cli import group;"
        "group.get_command(click.Context(group), 'check'); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pipeline.check.run" in loaded.stdout.split()
    assert not OF_SERVERS & set(loaded.stdout.split())


def test_what_is_no_command_ends_with_2() -> None:
    code = "from agents.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "chek"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No such command 'chek'" in done.stderr
