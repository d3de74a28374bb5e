"""`flowtier whatif`: what a change of policies would have done to recorded flows."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import click
import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline.cli.in_force import InForce
from pipeline.cli.inputs import say_rejects
from pipeline.cli.sources import HELP, IN_FORCE, SourceError, read_whole
from pipeline.cli.times import Moment
from pipeline.cli.worlds import FACTS_HELP, beside_each, read_facts
from pipeline.flow_parts import Block, read_parts
from pipeline.policy.policies import Policies, PolicyKey
from pipeline.policy.promote import promotable, promote
from pipeline.whatif.as_markdown import markdown
from pipeline.whatif.as_text import render
from pipeline.whatif.changes import CHANGES, Change, Found
from pipeline.whatif.report import Report, report
from pipeline.whatif.run import World, answers

EXCEEDED = 1  # exit code: more changes than allowed, or lines that are no flows
ALL = "all"


@dataclass(frozen=True, slots=True)
class _Question:
    """One later world, and how it is called."""

    name: str
    world: World


def _pattern(_: click.Context, __: click.Parameter, patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        source, arrow, rest = pattern.replace("→", ">").partition(">")
        if not (source.strip() and arrow and len(rest.split()) in (1, 2)):
            raise click.BadParameter(f"{pattern!r}: write 'SOURCE > DEST' or 'SOURCE > DEST PROTO/PORT'")
    return patterns


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="BASE [HEAD] [FLOWS]...")
@click.option(
    "--promote",
    "promoted",
    multiple=True,
    metavar="POLICY",
    help=f"In the place of HEAD: BASE with this staged policy (snp:ns/name) enforced, or `{ALL}`.",
)
@click.option("--each", is_flag=True, help="Promote one by one, not together.")
@click.option("--facts", "facts_from", multiple=True, metavar="PATH", help=FACTS_HELP)
@click.option(
    "--since", type=Moment(), help="Flows from Elasticsearch, of so long (7d, 12h), or since a time."
)
@click.option("--until", type=Moment(), help="… up to this time; else up to now.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Markdown for a pull request.")
@click.option(
    "--max-newly-denied", type=click.IntRange(0), metavar="N", help="Exit with 1 above so many edges."
)
@click.option(
    "--max-newly-allowed", type=click.IntRange(0), metavar="N", help="Exit with 1 above so many edges."
)
@click.option("--max-unknown", type=click.IntRange(0), metavar="N", help="Exit with 1 above so many edges.")
@click.option(
    "--allow-edge",
    "allowed",
    multiple=True,
    callback=_pattern,
    metavar="EDGE",
    help="An edge that may change, as it is printed: 'shop/web > shop/db tcp/5432'; * for any; repeatable.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--max-cells", default=4096, show_default=True, help="Completions of one flow class to try.")
@click.pass_obj
def whatif(
    in_force: InForce,
    /,
    sources: tuple[str, ...],
    promoted: tuple[str, ...],
    facts_from: tuple[str, ...],
    since: float | None,
    until: float | None,
    allowed: tuple[str, ...],
    jobs: int,
    max_cells: int,
    *,
    each: bool,
    as_json: bool,
    as_markdown: bool,
    **limits: int | None,
) -> None:
    """Judge recorded flows under BASE and under HEAD, and say what changes.

    BASE and HEAD are each a directory, a git revision (origin/main:policies), or `cluster` for what is in
    force. FLOWS are files of JSON lines (gzip, zstd; - is standard input), or --since reads Elasticsearch.
    Each flow is judged with the facts of its own time. Exit code 1: more changes than a limit allows, or
    lines that are no flows.
    """
    console = Console(stderr=True)
    names, flows = _split(sources, is_promoting=bool(promoted), is_recorded=since is not None)
    read = [read_whole(name, in_force, console) for name in names]
    facts = read_facts(facts_from, in_force, of_cluster=since is not None or IN_FORCE in names)
    worlds = [World(source.policies, own) for source, own in beside_each(read, facts)]
    questions = list(_questions(names, worlds, promoted, each=each))
    blocks = read_parts(flows) if since is None else in_force.flows(since, until or time.time(), jobs)
    found, unreadable = _ask(
        blocks, flows, worlds[0], [each.world for each in questions], max_cells, jobs, console
    )
    reports = [
        report(read[0].name, question.name, part, unreadable, allowed)
        for question, part in zip(questions, found, strict=True)
    ]
    _give_out(reports, as_json=as_json, as_markdown=as_markdown)
    if unreadable or any(_exceeded(each, limits, console) for each in reports):
        raise SystemExit(EXCEEDED)


def _split(
    sources: tuple[str, ...], *, is_promoting: bool, is_recorded: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(BASE and HEAD, the flow files)."""
    count = 1 if is_promoting else 2
    names, flows = sources[:count], sources[count:]
    if len(names) < count:
        raise click.UsageError(f"HEAD is missing: {HELP}; or --promote")
    if is_recorded and flows:
        raise click.UsageError("flows are read from files or by --since, not both")
    if not is_recorded and not flows:
        raise click.UsageError("no flows: name files, or read Elasticsearch by --since 7d")
    return names, flows


def _questions(
    names: Sequence[str], worlds: Sequence[World], promoted: Sequence[str], *, each: bool
) -> Iterator[_Question]:
    if not promoted:
        yield _Question(names[1], worlds[1])
        return
    (before,) = worlds
    keys = _keys(before.policies, promoted)
    for some in [[key] for key in keys] if each else [keys]:
        policies = "every staged policy" if ALL in promoted and not each else ", ".join(map(str, some))
        yield _Question(f"{policies} enforced", World(promote(before.policies, some), before.facts))


def _keys(policies: Policies, promoted: Sequence[str]) -> list[PolicyKey]:
    known = {str(key): key for key in promotable(policies)}
    if not known:
        raise SourceError("there is no staged policy that could be enforced")
    if ALL in promoted:
        return list(known.values())
    for name in promoted:
        if name not in known:
            raise SourceError(
                f"{name} is no staged policy that could be enforced; there are {', '.join(known)}"
            )
    return [known[name] for name in promoted]


def _ask(
    blocks: Iterable[Block],
    flows: Sequence[str],
    before: World,
    after: Sequence[World],
    max_cells: int,
    jobs: int,
    console: Console,
) -> tuple[list[Found], int]:
    """(what was found for each later world, how many lines are no flows)."""
    found, rejected = [Found() for _ in after], 0
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} flows judged"), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=None)
            for answer in answers(blocks, before, after, max_cells, jobs):
                for whole, part in zip(found, answer.found, strict=True):
                    whole.add(part)
                say_rejects(answer.rejects, flows, rejected, console, blocks=True)
                rejected += len(answer.rejects)
                progress.advance(task, answer.flows)
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'flows'}: {error.strerror or error}") from None
    return found, rejected


def _give_out(reports: Sequence[Report], *, as_json: bool, as_markdown: bool) -> None:
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(reports if len(reports) > 1 else reports[0]) + b"\n")
    elif as_markdown:
        click.echo("\n".join(map(markdown, reports)), nl=False)
    else:
        for each in reports:
            render(each, Console())


def _exceeded(found: Report, limits: dict[str, int | None], console: Console) -> bool:
    """Whether there are more changes than a limit allows; each such is said."""
    over: list[Change] = []
    for change in CHANGES:
        limit = limits[f"max_{change}"]
        if limit is not None and found.not_allowed[change] > limit:
            over.append(change)
            words = f"{found.not_allowed[change]:,} edges are {change.replace('_', ' ')}, {limit:,} may be"
            console.print(f"{found.head}: {words}", style="red", markup=False, highlight=False)
    return bool(over)
