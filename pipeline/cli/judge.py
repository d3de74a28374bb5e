"""`flowtier judge`: flow files and directories of manifests in, documents with verdicts out, no server."""

import sys
from pathlib import Path

import click
import orjson
from rich.console import Console

from pipeline.cli.inputs import UNREADABLE, load_judge, say_rejects
from pipeline.decode import Limits
from pipeline.flow_files import read_batches
from pipeline.impact import Summary
from pipeline.process import Processed, process
from pipeline.report import render


@click.command()
@click.argument("flows", nargs=-1, required=True)
@click.option(
    "--policies",
    "directories",
    multiple=True,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Manifests: policies, and what is known of the cluster (pods, namespaces, …). May be repeated.",
)
@click.option("--cluster", default="local", show_default=True, help="The name to write into documents.")
@click.option("--summary", is_flag=True, help="Print what each staged policy would do, not the documents.")
@click.option("--max-cells", default=4096, show_default=True, help="Completions of one flow class to try.")
def judge(
    flows: tuple[str, ...], directories: tuple[Path, ...], *, cluster: str, summary: bool, max_cells: int
) -> None:
    """Judge the flow logs in FLOWS (JSON lines; gzip and zstd too; - is standard input).

    Every flow comes out as one JSON document a line, in the order of the input. Exit code 1: some
    lines were no flows; they are named on standard error.
    """
    console = Console(stderr=True)
    judging = load_judge(directories, cluster, max_cells, console)
    total = Summary()
    for policy in judging.policies.policies:
        if policy.key.staged:
            total.policy(str(policy.key))
    rejected = 0
    try:
        for messages in read_batches(flows):
            # Recorded flows may be of any age: without a clock none is too old.
            processed = process(messages, judging, None, Limits())
            say_rejects(processed.rejects, flows, rejected, console)
            rejected += len(processed.rejects)
            _give_out(processed, total if summary else None)
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'flows'}: {error.strerror or error}") from None
    if summary:
        render(total, Console())
    if rejected:
        console.print(f"{rejected:,} lines are no flows that can be read.", style="red")
        raise SystemExit(UNREADABLE)


def _give_out(processed: Processed, total: Summary | None) -> None:
    if total is None:
        sys.stdout.buffer.writelines(document.body + b"\n" for document in processed.documents)
        return
    for document in processed.documents:
        total.add(orjson.loads(document.body))
