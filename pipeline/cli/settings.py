"""`flowtier settings`: every setting, what it means and what it is now."""

import sys

import click
import orjson
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from pipeline.settings import Setting, Settings, all_settings, load

HIDDEN = "***"
WIDTH = 170


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of the table.")
def settings(*, as_json: bool) -> None:
    """Show every setting, what it means and what it is now; secrets are hidden.

    Settings come from the environment, then from the YAML file that FLOWTIER_SETTINGS names.
    """
    now = load()
    if as_json:
        rows = [_row(setting, now) for setting in all_settings()]
        sys.stdout.buffer.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        _print(now)


def _print(now: Settings) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("environment", no_wrap=True)
    for column in ("is", "default", "type", "meaning"):
        table.add_column(column, overflow="fold")
    for setting in all_settings():
        row = _row(setting, now)
        cells = (setting.env, _text(row["value"]), _text(row["default"]), setting.type, setting.meaning)
        table.add_row(*cells, style="bold" if row["value"] != row["default"] else "")
    # A narrower table is harder to read than lines that the terminal wraps.
    Console(width=max(Console().width, WIDTH)).print(table, soft_wrap=True)


def _row(setting: Setting, now: Settings) -> dict[str, object]:
    return {
        "env": setting.env,
        "file": ".".join(setting.path),
        "type": setting.type,
        "default": _plain(setting.default),
        "meaning": setting.meaning,
        "value": _value(setting, now),
    }


def _value(setting: Setting, now: Settings) -> object:
    value: object = now
    for key in setting.path:
        assert isinstance(value, BaseModel)
        value = getattr(value, key)
    return HIDDEN if setting.secret and value is not None else _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else str(value)
