"""`make demo`: the sample cluster's flows through real servers, and which staged policy breaks what."""

import os
import signal
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
from elastic_transport import TransportError
from elasticsearch import ApiError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agents import topics
from agents.known_recommendations import read_known
from agents.reach import ReachError
from agents.topics import TopicError
from deploy.demo.arrivals import Arrivals
from deploy.demo.commands import Worker, flowtier, worker
from deploy.demo.generate import FEWEST, FLOWS, HOURS, INTERVAL, SEED, Sample, window_until, write_sample
from deploy.demo.recommended import show_recommendations
from deploy.local.errors import StackError
from deploy.local.place import CHECKOUT, local
from deploy.local.ports import free_port
from deploy.local.progress import console as progress_console
from deploy.local.progress import step
from deploy.local.stack import Stack
from pipeline import settings
from pipeline.impact import summarise
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.report import render
from pipeline.settings import Settings

CLUSTER = "demo"
STALLED_SECONDS = 90
_POLL_SECONDS = 0.5


def demo(flows: int, seed: int, console: Console) -> None:
    """Everything from empty servers to the tables; stops what it started, whatever happens.

    Raises StackError where a server, a command or the worker fails, TopicError or ReachError where Kafka
    refuses.
    """
    sample = _sample(local() / "demo-sample", flows, seed)
    with Stack("demo") as stack:
        os.environ |= _environment(stack)
        show(sample, console)
    show_recommendations(local() / "demo-recommended", console)
    console.print(_where_to_look_next(sample), highlight=False, soft_wrap=True)


def show(sample: Sample, console: Console) -> None:
    """Send a sample through the servers of the settings and print what came of it; raises as `demo`."""
    loaded = settings.load()
    with step("Creating the topics"):
        topics.create(loaded)
    flowtier("publish", str(sample.policies.parent), "--facts")
    with worker(sample.flow_log.with_name("worker.log")) as running:
        flowtier("ship", str(sample.flow_log))
        with closing(Arrivals(loaded)) as arrivals:
            documents, rejects = _wait(arrivals, sample.flows, running)
            console.print(f"\nFlows in {sample.flows:,}, documents out {documents:,}, rejects {rejects:,}\n")
            render(summarise(arrivals.documents(), _staged(sample)), console)
        _show_recommended(loaded, running, console)


def _show_recommended(loaded: Settings, running: Worker, console: Console) -> None:
    """What the worker has learned from the stream, as its commands tell it."""
    with step("Waiting for what the worker recommends"):
        since = time.monotonic()
        while not read_known(loaded).recommendations:
            running.check()
            if time.monotonic() - since > STALLED_SECONDS:
                raise StackError(f"Nothing was recommended for {STALLED_SECONDS} s. {running.tail()}")
            time.sleep(_POLL_SECONDS)
    console.print("\nflowtier recommendations list --namespace team-atlas", style="bold")
    flowtier("recommendations", "list", "--namespace", "team-atlas")
    console.print("\nflowtier recommendations show team-atlas/web-learned", style="bold")
    flowtier("recommendations", "show", "team-atlas/web-learned")


def _sample(out: Path, flows: int, seed: int) -> Sample:
    out.mkdir(parents=True, exist_ok=True)
    with step(f"Writing {flows:,} flows of a sample cluster"):
        return write_sample(out, window_until(datetime.now(UTC), HOURS, INTERVAL), flows, seed)


def _environment(stack: Stack) -> dict[str, str]:
    return {
        "FLOWTIER_CLUSTER": CLUSTER,
        "FLOWTIER_KAFKA_BOOTSTRAP": stack.kafka,
        "FLOWTIER_ELASTICSEARCH_URLS": stack.elasticsearch,
        "FLOWTIER_TOPICS_PARTITIONS": "4",
        "FLOWTIER_WORKER_PORT": str(free_port()),
        "FLOWTIER_RECOMMEND_INTERVAL_SECONDS": "5",
    }


def _wait(arrivals: Arrivals, flows: int, running: Worker) -> tuple[int, int]:
    """Wait until every flow is a document or a reject: (documents, rejects)."""
    columns = (TextColumn("Flows in Elasticsearch"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=progress_console) as progress:
        task = progress.add_task("", total=flows)
        seen, since = -1, time.monotonic()
        while True:
            documents, rejects = arrivals.count()
            progress.update(task, completed=documents + rejects)
            if documents + rejects >= flows:
                return documents, rejects
            running.check()
            if documents + rejects > seen:
                seen, since = documents + rejects, time.monotonic()
            if time.monotonic() - since > STALLED_SECONDS:
                raise StackError(f"Nothing arrived for {STALLED_SECONDS} s. {running.tail()}")
            time.sleep(_POLL_SECONDS)


def _staged(sample: Sample) -> list[str]:
    policies = to_policies(load_paths([sample.policies])).policies
    return [str(policy.key) for policy in policies if policy.key.staged]


def _where_to_look_next(sample: Sample) -> str:
    folder = sample.policies.parent
    inside = folder.relative_to(CHECKOUT) if folder.is_relative_to(CHECKOUT) else folder
    return f"""
Where to look next
  the policies, each with a comment that says what it would do    {inside}/policies/staged
  the cluster they are for                                        deploy/demo/README.md
  the same verdicts without any server, as documents              \
.venv/bin/flowtier judge {inside}/flows.log --policies {inside}
  servers that stay, for your own flows                           make up"""


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@click.command()
@click.option("--flows", type=click.IntRange(min=FEWEST), default=FLOWS, show_default=True)
@click.option("--seed", type=int, default=SEED, show_default=True)
def main(flows: int, seed: int) -> None:
    """Show, on real servers, which staged policy of a sample cluster would break which traffic."""
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        demo(flows, seed, Console())
    except (StackError, TopicError, ReachError, ApiError, TransportError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped.")


if __name__ == "__main__":
    main()
