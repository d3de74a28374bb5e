"""The commands that talk to Kafka, as they are typed."""

import signal
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import click
import msgspec
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
from pipeline.revisions import Revision, RevisionError
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


class StatusReport(msgspec.Struct, frozen=True):
    """What `--json` tells: the revision that was published last (None: none, or `problem` says why it cannot
    be read), and what each worker had said last at a time, seconds since the epoch."""

    revision: Revision | None
    problem: str | None
    workers: list[Heartbeat]
    at: float


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def status(*, as_json: bool) -> None:
    """Show the policies in force, and the workers: which policies they judge by, how far they are, and what
    troubles them."""
    settings = load_settings()
    report = _status(settings)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        return
    Console(markup=False, highlight=False, soft_wrap=True).print(report.problem or _in_force(report.revision))
    table = Table(title=f"Workers of {settings.kafka.bootstrap}")
    for title in ("worker", "revision", "lag", "partitions", "last seen", "health"):
        table.add_column(title, overflow="fold")
    for heartbeat in report.workers:
        table.add_row(*_row(heartbeat, report.at - heartbeat.at, settings.worker.status_seconds))
    Console().print(table if report.workers else "No worker has reported yet: flowtier worker starts one.")


def _status(settings: Settings) -> StatusReport:
    revision, problem = None, None
    try:
        record = newest_record(settings)
        revision = None if record is None else revisions.decode(record)
    except RevisionError as error:
        problem = f"{error}: publish again"
    except ReachError as error:  # who may not read the policies sees the workers still
        problem = str(error)
    # Last: a heartbeat is old within a second or two.
    workers = read_workers(settings)
    return StatusReport(revision, problem, workers, time.time())


def _in_force(revision: Revision | None) -> str:
    """Which revision was published last, from where, by whom and when, in one line."""
    if revision is None:
        return "No policies have been published yet: flowtier publish does it."
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
