"""The commands that talk to Kafka, as they are typed."""

import signal
import threading
import time
from datetime import datetime
from pathlib import Path

import click
from confluent_kafka import KafkaException
from prometheus_client import start_http_server
from rich.console import Console
from rich.table import Table

from agents import topics
from agents.policies_topic import newest_record
from agents.reach import ReachError
from agents.ship_flows import ShipError, Shipper
from agents.workers import Heartbeat, read_workers
from pipeline import logs, revisions
from pipeline import settings as settings_
from pipeline.revisions import RevisionError
from pipeline.settings import Settings

_ALIVE_HEARTBEATS = 3  # a worker that missed so many is called silent


def load_settings() -> Settings:
    """The settings of this run, with its log set up as they say."""
    settings = settings_.load()
    logs.configure(settings.logs)
    return settings


@click.command()
def worker() -> None:
    """Judge the flows of the cluster until told to stop."""
    # Faust takes a second to import, and no other command needs it.
    from agents import worker as worker_  # noqa: PLC0415

    worker_.run(load_settings())


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--follow", is_flag=True, help="Go on with what is written to it, through rotation.")
def ship(file: Path, *, follow: bool) -> None:
    """Bring the flow log FILE (gzip and zstd too) to Kafka, each line once."""
    settings = load_settings()
    if not follow and not file.is_file():
        raise ShipError(f"{file}: there is no such file")
    topics.create(settings)
    try:
        shipper = Shipper(settings)
    except KafkaException as error:
        raise ReachError(f"Kafka at {settings.kafka.bootstrap}: {error.args[0].str()}") from None
    if not follow:
        lines = shipper.ship(file)
        Console(stderr=True).print(f"{lines} flows of {file} shipped")
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    start_http_server(settings.shipper.port, settings.shipper.host)
    shipper.follow(file, stop)


@click.command()
def status() -> None:
    """Show the policies in force, and the workers: which policies they judge by, how far they are, and what
    troubles them."""
    settings = load_settings()
    heartbeats = read_workers(settings)
    Console(markup=False, highlight=False, soft_wrap=True).print(_in_force(settings))
    table = Table(title=f"Workers of {settings.kafka.bootstrap}")
    for title in ("worker", "revision", "lag", "partitions", "last seen", "health"):
        table.add_column(title, overflow="fold")
    for heartbeat in heartbeats:
        table.add_row(*_row(heartbeat, time.time() - heartbeat.at, settings.worker.status_seconds))
    Console().print(table if heartbeats else "No worker has reported yet: flowtier worker starts one.")


def _in_force(settings: Settings) -> str:
    """Which revision was published last, from where, by whom and since when, in one line."""
    try:
        record = newest_record(settings)
        if record is None:
            return "No policies have been published yet: flowtier publish does it."
        revision = revisions.decode(record)
    except RevisionError as error:
        return f"{error}: publish again"
    since = datetime.fromtimestamp(revision.published).astimezone().isoformat(" ", "seconds")
    commit = f"commit {revision.commit}" if revision.commit else "no commit"
    author = f" of {revision.author}" if revision.author else ""
    return (
        f"Revision {revision.revision} ({revision.resources} resources) from {revision.source},"
        f" {commit}{author}, published by {revision.by or 'nobody named'} at {since}"
    )


def _row(heartbeat: Heartbeat, age: float, every: float) -> tuple[str, ...]:
    silent = age > _ALIVE_HEARTBEATS * every
    health = "; ".join(heartbeat.problems.values()) or ("ready" if heartbeat.ready else "not ready")
    return (
        f"{heartbeat.host} {heartbeat.worker[:8]} ({heartbeat.version})",
        heartbeat.revision or "none",
        "-" if heartbeat.lag is None else str(heartbeat.lag),
        ", ".join(map(str, heartbeat.partitions)) or "none",
        f"{age:.0f} s ago",
        "silent" if silent and not heartbeat.stopped else "stopped" if heartbeat.stopped else health,
    )
