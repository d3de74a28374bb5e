"""`flowtier rejects`: what was rejected and why, and the way to send it again once the reason is gone."""

import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, get_args

import click
import msgspec
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.commands import load_settings
from agents.reach_kafka import list_topics
from agents.rejects_topic import Listed, read_rejects
from agents.replay_rejects import RejectsError, Replay
from agents.replay_rejects import replay as replay_
from pipeline.dead_letter import Stage
from pipeline.settings import Settings

LEFT = 1  # exit code: some rejects cannot be replayed

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Since(click.ParamType):
    """A time, or how long ago; in ms since the epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number, unit = str(value)[:-1], _UNITS.get(str(value)[-1:])
        if unit and number.isdecimal():
            return int((time.time() - timedelta(**{unit: int(number)}).total_seconds()) * 1000)
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except ValueError:
            self.fail(f"{value!r} is neither like 90m, 12h, 7d nor like 2025-01-31T12:00", param, ctx)


type Wanted = Callable[[Listed], bool]


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """With the options that choose rejects, as one argument `wanted`."""
    stages = click.Choice(get_args(Stage.__value__))
    for option in (
        click.option("--since", type=Since(), help="Rejected since: 90m, 12h, 7d ago, or a time."),
        click.option("--stage", type=stages, help="Rejected by this stage."),
        click.option("--reason", help="With this text in their reason."),
    ):
        command = option(command)
    return command


def _wanted(reason: str | None, stage: str | None, since: int | None) -> Wanted:
    return lambda reject: (
        (reason is None or reason.lower() in reject.kept.reason.lower())
        and (stage is None or reject.kept.stage == stage)
        and (since is None or reject.rejected_at >= since)
    )


@click.group()
def rejects() -> None:
    """Messages and flows that could not be processed: list them, send them again."""


@rejects.command("list")
@_filtered
@click.option("--each", is_flag=True, help="Each reject, not only how many by reason.")
@click.option("--json", "as_json", is_flag=True, help="Each reject as one JSON object a line.")
def list_(reason: str | None, stage: str | None, since: int | None, *, each: bool, as_json: bool) -> None:
    """Show what was rejected, where it stood and why."""
    settings = _let_in()
    found = list(filter(_wanted(reason, stage, since), _read(settings)))
    if as_json:
        for reject in found:
            click.echo(msgspec.json.encode(_plain(reject)))
    elif found:
        Console().print(_each(found) if each else _by_kind(found))
    else:
        click.echo("Nothing was rejected.")


@rejects.command()
@_filtered
@click.option("--dry-run", is_flag=True, help="Only tell what would be sent.")
def replay(reason: str | None, stage: str | None, since: int | None, *, dry_run: bool) -> None:
    """Send open rejects to the topic flows again; each becomes a document once, however often you ask.

    A reject that was sent is closed until it is rejected again. Exit code 1: some cannot be sent.
    """
    done = replay_(_let_in(), _wanted(reason, stage, since), dry_run=dry_run)
    click.echo(f"{done.replayed} rejects {'would be' if dry_run else 'were'} sent to the topic flows.")
    if done.left:
        Console(stderr=True).print(_left(done))
        sys.exit(LEFT)


def _let_in() -> Settings:
    """The settings, with which Kafka lets us in."""
    settings = load_settings()
    list_topics(settings.kafka)
    return settings


def _read(settings: Settings) -> list[Listed]:
    try:
        return read_rejects(settings)
    except KafkaException as error:
        raise RejectsError(f"Kafka at {settings.kafka.bootstrap}: {error.args[0].str()}") from None


def _plain(reject: Listed) -> dict[str, Any]:
    kept = reject.kept
    return {
        "origin": kept.origin._asdict(),
        "stage": kept.stage,
        "kind": reject.kind,
        "reason": kept.reason,
        "size": kept.size,
        "whole": kept.whole,
        "rejected": reject.rejected_at,
        "state": reject.state,
        "replayed": reject.replayed_at,
    }


def _by_kind(found: Iterable[Listed]) -> Table:
    table = _table("stage", "reason", "open", "replayed", "bytes", "first", "last")
    by_kind = lambda reject: (reject.kept.stage, reject.kind)
    for (stage, kind), group in groupby(sorted(found, key=by_kind), by_kind):
        rejects = list(group)
        is_open = sum(reject.replayed_at is None for reject in rejects)
        size = sum(reject.kept.size or 0 for reject in rejects)
        times = [reject.rejected_at for reject in rejects]
        counts = is_open, len(rejects) - is_open, size
        _add(table, stage, kind, *counts, _time(min(times)), _time(max(times)))
    return table


def _each(found: Iterable[Listed]) -> Table:
    table = _table("when", "where", "stage", "reason", "bytes", "state")
    for reject in found:
        kept = reject.kept
        size = "-" if kept.size is None else kept.size
        _add(table, _time(reject.rejected_at), reject.where, kept.stage, kept.reason, size, reject.state)
    return table


def _left(done: Replay) -> Table:
    table = _table("where", "cannot be sent")
    for reject, why in done.left:
        _add(table, reject.where, why)
    return table


def _table(*titles: str) -> Table:
    table = Table()
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _add(table: Table, *cells: str | int) -> None:
    table.add_row(*(Text(str(cell)) for cell in cells))  # no markup: reasons hold brackets


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
