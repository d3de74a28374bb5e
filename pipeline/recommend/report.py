"""Recommendations as tables for people."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from types import MappingProxyType

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.recommend.pull import Step
from pipeline.recommend.recommendation import Decision, Opened, Recommendation, Replay, Score

NONE: Mapping[str, Decision] = MappingProxyType({})
_DECIDED = {"accept": "accepted", "ignore": "ignored"}
_COLOURS = {"Stable": "green", "Stabilizing": "yellow", "Learning": "magenta", "Stale": "red"}


def listing(
    recommendations: Iterable[Recommendation], console: Console, decisions: Mapping[str, Decision] = NONE
) -> None:
    """Print a table a namespace; what each policy opens stands beside what one for its namespace would."""
    own = sorted(recommendations, key=lambda each: (each.namespace, each.name))
    for namespace, members in groupby(own, lambda each: each.namespace):
        console.print(_of_namespace(namespace, list(members), decisions))
    for name in sorted(name for name, decision in decisions.items() if decision.decision == "ignore"):
        console.print(Text(f"{name}: {decided(decisions[name])}"))
    if own:
        console.print(
            "allows: of later connections, which it had not learned from\n"
            "opens: pairs of workloads, and addresses, that were never seen to talk",
            style="dim",
        )


def _of_namespace(
    namespace: str, recommendations: list[Recommendation], decisions: Mapping[str, Decision]
) -> Table:
    table = Table(title=f"Namespace {namespace}", title_justify="left", caption_justify="left")
    table.add_column("policy", overflow="fold")
    table.add_column("status", no_wrap=True)
    for heading in ("rules", "set aside", "allows", "opens"):
        table.add_column(heading, justify="right", no_wrap=True)
    accepted = [each for each in recommendations if each.name in decisions]
    if accepted:
        table.add_column("decision", overflow="fold")
    for each in recommendations:
        decision = decisions.get(each.name)
        table.add_row(
            Text(each.manifest["metadata"]["name"]),
            Text(each.status.word, _COLOURS[each.status.word]),
            f"{len(each.rules):,}",
            f"{len(each.set_aside):,}",
            allowed(each.score),
            opens(each.score.opened) if each.score else "-",
            *([Text(decided(decision) if decision else "")] if accepted else []),
        )
    scores = [each.score for each in recommendations if each.score and each.mode == "workload"]
    if scores:
        table.caption = f"one policy for all of {namespace} would open {opens(scores[0].namespace_opened)}"
    return table


def decided(decision: Decision) -> str:
    """Accepted or ignored, by whom, and why."""
    reason = f": {decision.reason}" if decision.reason else ""
    return f"{_DECIDED[decision.decision]} by {decision.by}{reason}"


def allowed(score: Score | None) -> str:
    """The share of the traffic held out that is allowed."""
    return share(score.replay) if score else "-"


def share(replay: Replay) -> str:
    """What is allowed, rounded down: what is cut is never 100%."""
    return "-" if replay.recall is None else f"{int(replay.recall * 1000) / 10:.1f}%"


def opens(opened: Opened) -> str:
    """Pairs of workloads and addresses beyond what was seen."""
    told = [f"{opened.pairs:,} pair{'s' * (opened.pairs > 1)}"] if opened.pairs else []
    told += [f"{_short(opened.addresses)} addresses"] if opened.addresses else []
    return ", ".join(told) or "nothing"


def _short(number: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def steps_table(steps: Iterable[Step]) -> Table:
    """What was done with each file, those left as they were in one line."""
    table = Table()
    for heading in ("file", "", "why"):
        table.add_column(heading, overflow="fold")
    unchanged = 0
    for step in steps:
        if step.word == "unchanged":
            unchanged += 1
        else:
            table.add_row(Text(step.file), step.word, Text("; ".join(step.reasons)))
    if unchanged:
        table.add_row(f"{unchanged} more", "unchanged", "")
    return table
