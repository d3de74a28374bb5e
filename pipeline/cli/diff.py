"""`flowtier diff`: which permissions a change of policies gives and takes, without any flow."""

import sys

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli.in_force import InForce
from pipeline.cli.sources import IN_FORCE, Source, SourceError, read_whole
from pipeline.cli.worlds import FACTS_HELP, beside_each, read_facts
from pipeline.diff.as_text import render
from pipeline.diff.report import Difference
from pipeline.diff.run import Stand, differ
from pipeline.facts import Facts

DIFFERENT = 1  # exit code, as of diff(1)


@click.command()
@click.argument("base")
@click.argument("head")
@click.option("--facts", "facts_from", multiple=True, metavar="PATH", help=FACTS_HELP)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--rows", type=click.IntRange(1), default=50, show_default=True, help="Rows of the table.")
@click.option("--max-cells", default=4096, show_default=True, help="Completions of what is unknown to try.")
@click.pass_obj
def diff(
    in_force: InForce,
    /,
    base: str,
    head: str,
    facts_from: tuple[str, ...],
    rows: int,
    max_cells: int,
    *,
    as_json: bool,
) -> None:
    """Say which connections HEAD permits that BASE does not, and the other way round.

    BASE and HEAD are each a directory, a git revision (origin/main:policies), or `cluster` for what is in
    force: that with git is the drift between the two. Asked are all pairs of workloads that are known, and
    of workloads and every net that a rule can tell apart, for all protocols and ports; a connection needs
    egress at its source and ingress at its destination. Only enforced policies count. What a pod's own host
    sends to it is never policed, and not asked about. Exit code 0: both permit the same; 1: they do not.
    """
    console = Console(stderr=True)
    sources = [read_whole(name, in_force, console) for name in (base, head)]
    facts = read_facts(facts_from, in_force, of_cluster=IN_FORCE in (base, head))
    before, after = (
        Stand(own.name, own.policies, _known(own, other, facts))
        for own, other in (sources, reversed(sources))
    )
    found = _differ(before, after, max_cells, console)
    if not found.workloads:
        raise SourceError("no workload is known, so nothing can be said; name facts by --facts")
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    else:
        render(found, Console(), rows)
    if not found.same:
        raise SystemExit(DIFFERENT)


def _known(own: Source, other: Source, facts: Facts) -> Facts:
    """All that is known, so that workloads of either are asked about; where both say something of the same,
    what the source itself says."""
    ((_, with_other),) = beside_each([other], facts)
    ((_, with_both),) = beside_each([own], with_other)
    return with_both


def _differ(base: Stand, head: Stand, max_cells: int, console: Console) -> Difference:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("compared", total=None)
        return differ(
            base, head, max_cells, lambda done, every: progress.update(task, completed=done, total=every)
        )
