"""`flowtier dashboards`: what is bundled for Kibana, and the way into it."""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.commands import load_settings
from agents.kibana import Imported, import_objects
from dashboards import BUILT
from dashboards.bundled import bundled
from pipeline.kibana_section import Kibana
from pipeline.settings import SettingsError

LEFT = 1  # exit code: Kibana did not take every object

_FIRST = "flowtier-overview"


@click.group()
def dashboards() -> None:
    """Dashboards for Kibana 8.19 and 9: list what is bundled, bring it to Kibana."""


@dashboards.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, one dashboard a line.")
def list_(*, as_json: bool) -> None:
    """Show what is bundled."""
    if as_json:
        for each in bundled():
            click.echo(msgspec.json.encode(each).decode())
        return
    table = Table()
    table.add_column("dashboard", no_wrap=True)
    table.add_column("panels", justify="right")
    table.add_column("shows")
    for each in bundled():
        table.add_row(Text(each.id), str(len(each.panels)), Text(each.description))
    Console().print(table)


@dashboards.command()
@click.option("--kibana", "url", help="Where Kibana is; else FLOWTIER_KIBANA_URL.")
@click.option("--space", help="Into this space; else FLOWTIER_KIBANA_SPACE, else the default one.")
@click.option("--overwrite", is_flag=True, help="Replace what is there already, changes made there too.")
@click.option("--no-verify", is_flag=True, help="Take any certificate.")
def push(*, url: str | None, space: str | None, overwrite: bool, no_verify: bool) -> None:
    """Bring the dashboards, their data views and searches to Kibana.

    An API key (FLOWTIER_KIBANA_API_KEY), or user and password (FLOWTIER_KIBANA_USERNAME and …_PASSWORD), and
    the authorities to trust (FLOWTIER_KIBANA_CA) are settings, so that no secret stands in a command line.

    Exit code 0: all is there. 1: Kibana did not take some, as what is there already without --overwrite.
    2: nothing was brought, and why.
    """
    kibana = _chosen(load_settings().kibana, url=url, space=space, verify=False if no_verify else None)
    imported = asyncio.run(import_objects(kibana, BUILT.read_bytes(), overwrite=overwrite))
    click.echo(_summary(kibana, imported))
    for line in _left(imported):
        click.echo(line, err=True)
    if imported.errors:
        sys.exit(LEFT)


def _chosen(kibana: Kibana, **options: object) -> Kibana:
    """The settings, with what the command line says in their place."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Kibana.model_validate(kibana.model_dump() | given)
    except ValidationError as error:
        raise SettingsError("\n".join(map(_sentence, error.errors()))) from None


def _sentence(detail: ErrorDetails) -> str:
    option = {"url": "--kibana"}.get(str(detail["loc"][0]), f"--{detail['loc'][0]}")
    message = detail["msg"].removeprefix("Value error, ").removeprefix("String should ")
    return f"{option}: {message if message.startswith(('a ', 'must')) else f'must {message}'}"


def _summary(kibana: Kibana, imported: Imported) -> str:
    where = f"Kibana {imported.version or ''} at {kibana.url}".replace("  ", " ")
    space = f", space {kibana.space}" if kibana.space else ""
    path = f"/s/{kibana.space}" if kibana.space else ""
    text = f"{imported.count} objects brought to {where}{space}."
    return f"{text} Look at {kibana.url}{path}/app/dashboards#/view/{_FIRST}" if imported.count else text


def _left(imported: Imported) -> Iterator[str]:
    """A line for what is there already, and one for each object that Kibana cannot take."""
    kinds = ("conflict", "ambiguous_conflict")
    there = [_object(each) for each in imported.errors if each["error"]["type"] in kinds]
    if there:
        yield f"{len(there)} are there already and were left (--overwrite replaces them): {', '.join(there)}"
    for each in imported.errors:
        if each["error"]["type"] not in kinds:
            yield f"{_object(each)}: {_why(each['error'])}"


def _object(error: dict[str, Any]) -> str:
    return f"{error['type']} {error['id']}"


def _why(error: dict[str, Any]) -> str:
    if error["type"] == "missing_references":
        missing = ", ".join(_object(each) for each in error["references"])
        return f"it needs what this Kibana does not have: {missing}"
    if error["type"] == "unsupported_type":
        return "this Kibana does not know objects of this kind"
    return str(error.get("message") or error["type"])
