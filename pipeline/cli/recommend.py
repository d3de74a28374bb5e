"""`flowtier recommend`: flow files and manifests in, staged policies with their evidence out, no server."""

import sys
import time
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline.cli.inputs import UNREADABLE, load_judge, say_rejects
from pipeline.flow_files import read_blocks
from pipeline.judge import Judge
from pipeline.recommend.about import about
from pipeline.recommend.learn import HOURS_AHEAD, Window
from pipeline.recommend.offline import Lessons, learn_flows
from pipeline.recommend.pull import pull
from pipeline.recommend.recommend import MAX_CELLS
from pipeline.recommend.recommend import recommend as recommend_
from pipeline.recommend.recommendation import Options, Recommendation
from pipeline.recommend.render import to_yaml
from pipeline.recommend.report import listing, steps_table

DEFAULTS = Options()
NOTHING = (
    "Nothing is recommended: no workload was seen, or the policies in force decide all its traffic already"
    " (--tighten proposes inside allows that are wider than what is used)."
)


@click.command()
@click.argument("flows", nargs=-1, required=True)
@click.option(
    "--policies",
    "directories",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Manifests: policies in force, and what is known of the cluster (pods, …). May be repeated.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the policies here as YAML; what people changed there is kept, as by recommendations pull.",
)
@click.option("--namespace", help="Of this namespace only.")
@click.option("--policy", help="Everything about the policy of this name.")
@click.option("--json", "as_json", is_flag=True, help="Each recommendation as one JSON object a line.")
@click.option("--yaml", "as_yaml", is_flag=True, help="The policies as YAML documents.")
@click.option(
    "--mode", type=click.Choice(["workload", "namespace"]), default=DEFAULTS.mode, show_default=True
)
@click.option("--tier", default=DEFAULTS.tier, show_default=True, help="Of the policies.")
@click.option("--order", default=DEFAULTS.order, show_default=True, help="Within that tier.")
@click.option(
    "--intra-namespace",
    type=click.Choice(["allow", "pass"]),
    default=DEFAULTS.intra_namespace,
    show_default=True,
    help="What rules do with traffic within a namespace.",
)
@click.option(
    "--minimum-connections", type=click.IntRange(1), default=DEFAULTS.minimum_connections, show_default=True
)
@click.option(
    "--minimum-hours",
    type=click.IntRange(1),
    default=DEFAULTS.minimum_hours,
    show_default=True,
    help="Hours in which a rule's traffic was seen, once its namespace was seen for a day.",
)
@click.option("--lookback-days", type=click.IntRange(1), default=DEFAULTS.lookback_days, show_default=True)
@click.option("--learn-denied", is_flag=True, help="Let flows that were denied teach too.")
@click.option("--tighten", is_flag=True, help="Propose inside allows that are wider than what is used, too.")
@click.option(
    "--domains/--no-domains",
    default=DEFAULTS.domains,
    show_default=True,
    help="Rules by domain, which Calico Enterprise and Cloud know.",
)
def recommend(
    flows: tuple[str, ...],
    directories: tuple[Path, ...],
    out: Path | None,
    namespace: str | None,
    policy: str | None,
    *,
    as_json: bool,
    as_yaml: bool,
    **chosen: object,
) -> None:
    """Propose staged policies from the flow logs in FLOWS (JSON lines; gzip, zstd; - is standard input).

    Exit code 1: some lines were no flows, or what people changed in the directory is in conflict.
    """
    options = msgspec.convert(chosen, Options)
    console = Console(stderr=True)
    judge = load_judge(directories, "local", MAX_CELLS, console)
    try:
        lessons, rejected = _learn(flows, judge, options, console)
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'flows'}: {error.strerror or error}") from None
    found = recommend_(lessons.known(options.lookback_days), judge.policies, judge.facts, options, {})
    own = [each for each in found if namespace in (None, each.namespace)]
    shown = [each for each in own if policy in (None, *_names(each))]
    if as_json or as_yaml or not policy:
        _give_out(shown, as_json=as_json, as_yaml=as_yaml)
    else:
        _tell(shown, policy)
    _say_not_learned(lessons, console)
    failed = _write(own, out, namespace, console) if out else False
    if rejected:
        console.print(f"{rejected:,} lines are no flows that can be read.", style="red")
    if rejected or failed:
        raise SystemExit(UNREADABLE)


def _learn(flows: tuple[str, ...], judge: Judge, options: Options, console: Console) -> tuple[Lessons, int]:
    """(what was learned, how many lines were no flows)."""
    # A clock that is years ahead must not make all else too old.
    lessons = Lessons(Window(0, int(time.time()) // 3600 + HOURS_AHEAD, options.learn_denied))
    rejected = 0
    with Progress(
        SpinnerColumn(),
        TextColumn("Learning from {task.completed:,} flows"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)
        for count, rejects in learn_flows(read_blocks(flows), judge, lessons):
            say_rejects(rejects, flows, rejected, console, blocks=True)
            rejected += len(rejects)
            progress.advance(task, count)
    return lessons, rejected


def _give_out(found: list[Recommendation], *, as_json: bool, as_yaml: bool) -> None:
    if as_json:
        sys.stdout.buffer.writelines(msgspec.json.encode(each) + b"\n" for each in found)
    elif as_yaml:
        click.echo("---\n".join(to_yaml(each.manifest) for each in found), nl=False)
    elif found:
        listing(found, Console())
    else:
        click.echo(NOTHING)


def _names(found: Recommendation) -> tuple[str, str, str]:
    """What a person may call it: as in traces, with its namespace, alone."""
    with_namespace = found.name.partition(":")[2]
    return found.name, with_namespace, with_namespace.partition("/")[2]


def _tell(found: list[Recommendation], policy: str) -> None:
    if not found:
        raise click.ClickException(f"no policy {policy} is recommended: without --policy all are listed")
    for each in found:
        click.echo(to_yaml(each.manifest), nl=False)
        Console().print(*about(each), sep="\n")


def _say_not_learned(lessons: Lessons, console: Console) -> None:
    for reason, count in sorted(lessons.not_learned.items()):
        console.print(f"{count:,} flows taught nothing: {reason.replace('_', ' ')}", highlight=False)


def _write(found: list[Recommendation], out: Path, namespace: str | None, console: Console) -> bool:
    """Whether a person has to do something."""
    if not found:
        console.print(f"Nothing is recommended: {out} is left as it is.")
        return False
    out.mkdir(parents=True, exist_ok=True)
    steps = pull(out, [each.manifest for each in found], namespace)
    console.print(steps_table(steps))
    return any(step.failed for step in steps)
