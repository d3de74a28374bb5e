"""What the demo says of recommendations: both modes for one namespace, and the closed loop in figures."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.demo.closed_loop import NIGHTLY, Loop, Share, close_the_loop
from deploy.demo.generate import INTERVAL, SEED, Sample, window_until, write_sample
from deploy.local.progress import step
from pipeline.recommend.recommendation import Options, Recommendation
from pipeline.recommend.report import listing, opens
from pipeline.recommend.words import hour_says

FLOWS, HOURS = 60_000, 74  # three nights of the nightly report, of which the first two are learned from
SHOWN = "online-boutique"


def show_recommendations(out: Path, console: Console) -> None:
    """Learn from the first days of a sample, print what that leads to, and replay the rest of its time."""
    sample = _sample(out)
    paths = sample.flow_log, sample.policies, sample.facts
    with step("Learning from its first days, enforcing what that leads to, replaying the rest"):
        loop = close_the_loop(*paths, Options())
    with step("The same with one policy a namespace"):
        by_namespace = close_the_loop(*paths, Options(mode="namespace"))
    console.print(f"\nLearned until {hour_says(loop.cut)}, proposed:\n")
    listing([each for each in loop.recommendations if each.namespace == SHOWN], console)
    names = [each.name for each in loop.recommendations if each.namespace != SHOWN]
    console.print(f"\nand in the other namespaces {', '.join(names)}\n", highlight=False)
    console.print(_loops({"a workload": loop, "a namespace": by_namespace}))
    console.print(_rare(paths, loop), highlight=False, soft_wrap=True)


def _sample(out: Path) -> Sample:
    out.mkdir(parents=True, exist_ok=True)
    with step(f"Writing {FLOWS:,} flows of {HOURS} hours"):
        return write_sample(out, window_until(datetime.now(UTC), HOURS, INTERVAL), FLOWS, SEED)


def _loops(loops: dict[str, Loop]) -> Table:
    """Both modes: what each would open, and what it would have cut of what came after."""
    table = Table(
        title="Enforced, a policy for each …, and the rest of the time replayed", title_justify="left"
    )
    table.add_column("connections")
    for name in loops:
        table.add_column(name, justify="right")
    table.add_row("legitimate ones cut", *(_of(loop.legitimate) for loop in loops.values()))
    table.add_row("the intruder's denied", *(_of(loop.intruder) for loop in loops.values()))
    table.add_row("the nightly report's cut", *(_of(loop.nightly) for loop in loops.values()))
    table.add_row(f"opened in {SHOWN}", *(_opened(loop.recommendations) for loop in loops.values()))
    return table


def _of(share: Share) -> str:
    return f"{share.cut:,} of {share.connections:,}"


def _opened(recommendations: list[Recommendation]) -> str:
    scores = [each.score for each in recommendations if each.namespace == SHOWN and each.score]
    total = scores[0].opened
    for score in scores[1:]:
        pairs, addresses = total.pairs + score.opened.pairs, total.addresses + score.opened.addresses
        total = type(total)(pairs, addresses, total.all_pairs + score.opened.all_pairs)
    return opens(total)


def _rare(paths: tuple[Path, Path, Path], loop: Loop) -> str:
    """What was said of the nightly report when only one night had been seen."""
    edges = loop.known["batch"].edges
    first_night = min(min(seen.hours) for key, seen in edges.items() if key.workload == NIGHTLY)
    after_one = close_the_loop(*paths, Options(), cut=first_night + 8)
    own = next(each for each in after_one.recommendations if NIGHTLY in each.workloads)
    told = [f"{each.says}: {each.risk}" for each in own.rules if each.risk]
    told += [f"{each.says}: set aside, {each.reason}" for each in own.set_aside]
    return "\n".join([f"\nAfter one night only, of {own.name} it said:", *(f"  {each}" for each in told)])
