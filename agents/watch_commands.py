"""`flowtier watch`, as it is typed."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import click

from agents.commands import load_settings
from agents.watch import Watcher
from agents.webhook import Webhook
from pipeline.changes import Change


@click.command()
@click.option(
    "--every",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds from one look to the next.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, one object a line.")
@click.option("--webhook", "url", help="Also post each change there, as JSON; else FLOWTIER_WATCH_WEBHOOK.")
@click.option(
    "--state",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep what was told in this file: a restart then tells what came meanwhile, and nothing twice.",
)
def watch(every: float, *, as_json: bool, url: str | None, file: Path | None) -> None:
    """Tell what changes, as it happens, until told to stop: a staged policy begins to deny an edge that it
    never denied before; verdicts that disagree with the nodes, or are unknown, rise.
    """
    settings = load_settings()
    given = settings.watch.webhook
    url = url or (given.get_secret_value() if given else None)
    webhook = Webhook(url, settings.watch) if url else None

    async def tell(change: Change) -> None:
        if webhook:
            await webhook.post(change)
        click.echo(change.as_json().decode() if as_json else change.line())

    async def run() -> None:
        watching = asyncio.create_task(Watcher(settings, tell, file).watch(every))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, watching.cancel)
        with suppress(asyncio.CancelledError):
            await watching

    asyncio.run(run())
