"""Everything about one recommendation, for eyes."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.recommend.recommendation import Evidence, Recommendation, RuleEvidence, Score
from pipeline.recommend.report import opens, share
from pipeline.report import human_bytes

SHOWN = 20  # of what was set aside


def about(found: Recommendation) -> Iterator[RenderableType]:
    """Everything beside the manifest."""
    if found.rules:
        yield _rules(found.rules)
    yield Text(f"{found.status.word}: {found.status.reason}")
    yield Text(f"learned from {when(found.learned_from)} until {when(found.learned_until)}")
    if found.tightens:
        yield Text(f"inside of what {found.tightens} allows")
    if found.score:
        yield from _score(found.score)
        yield from _listed("would cut", found.score.would_cut)
    else:
        yield Text("no score: there were too few hours to hold any out")
    yield from _listed("admits more than was seen", [_of(each, each.widening) for each in found.rules])
    yield from _listed("may not hold", [_of(each, each.risk) for each in found.rules])
    yield from _listed("warnings", found.warnings)
    if found.set_aside:
        yield Text("traffic that became no rule:")
        table = _table("", "connections", "why")
        most = sorted(found.set_aside, key=lambda each: -each.connections)[:SHOWN]
        for each in most:
            _add(table, each.says, f"{each.connections:,}", each.reason)
        yield table
        if len(found.set_aside) > SHOWN:
            yield Text(f"and {len(found.set_aside) - SHOWN:,} more: --json has all")


def _rules(rules: Iterable[RuleEvidence]) -> Table:
    table = _table("", "rule", "seen")
    for each in rules:
        _add(table, f"{each.direction} {each.rule}", each.says, _seen(each.evidence))
    return table


def _seen(evidence: Evidence | None) -> str:
    if evidence is None:
        return "stands for itself"
    return (
        f"{evidence.connections:,} connections, {human_bytes(evidence.bytes)}, {evidence.hours:,} hours of"
        f" {evidence.days:,} days, {when(evidence.first)} to {when(evidence.last)}"
    )


def _score(score: Score) -> Iterator[RenderableType]:
    """Beside the baselines."""
    yield Text(f"on traffic since {when(score.cut_at)}, that it had not learned from:")
    table = _table("policy", "recall", "allows", "cuts", "unknown", "opens")
    rows = (
        ("this one", score.replay, score.opened),
        ("one for the namespace", score.namespace_replay, score.namespace_opened),
    )
    for policy, replay, opened in rows:
        counts = (f"{number:,}" for number in (replay.allowed, replay.cut, replay.unknown))
        _add(table, policy, share(replay), *counts, opens(opened))
    replay = score.replay
    total = f"{replay.allowed + replay.cut + replay.unknown:,}"
    _add(table, "none at all", "100.0%", total, "0", "0", f"{score.opened.all_pairs:,} pairs")
    yield table


def _of(rule: RuleEvidence, said: str | None) -> str:
    return f"{rule.says}: {said}" if said else ""


def _listed(title: str, lines: Iterable[str]) -> Iterator[Text]:
    told = [f"  {line}" for line in lines if line]
    if told:
        yield Text("\n".join([f"{title}:", *told]))


def _table(*headings: str) -> Table:
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))  # no markup: selectors and reasons hold brackets


def when(ms: int) -> str:
    """A time, ms since the epoch, in words."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}Z"
