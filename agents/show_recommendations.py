"""Recommendations for eyes: the list, and everything about one."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from agents.known_recommendations import Known
from pipeline.recommend.recommendation import Decision, Evidence, Recommendation, RuleEvidence, Score
from pipeline.recommend.report import allowed, opens, share

_DECIDED = {"accept": "accepted", "ignore": "ignored"}


def listing(known: Known, names: Iterable[str]) -> Table:
    """One line each; of an ignored one what was decided."""
    table = _table("namespace", "name", "status", "workloads", "rules", "recall", "opens", "decision")
    for name in names:
        namespace, _, own = name.rpartition(":")[2].partition("/")
        found, decision = known.recommendations.get(name), known.decisions.get(name)
        told = _columns(found) if found else ("-",) * 5
        _add(table, namespace, own, *told, _in_short(decision) if decision else "")
    return table


def _columns(found: Recommendation) -> tuple[str, ...]:
    score = found.score
    opened = opens(score.opened) if score else "-"
    return found.status.word, ", ".join(found.workloads), str(len(found.rules)), allowed(score), opened


def _in_short(decision: Decision) -> str:
    reason = f": {decision.reason}" if decision.reason else ""
    return f"{_DECIDED[decision.decision]} by {decision.by}{reason}"


def decided(decision: Decision) -> str:
    """Accepted or ignored, by whom, why and when."""
    return f"{_in_short(decision)}, {_time(decision.at)}"


def about(found: Recommendation) -> Iterator[RenderableType]:
    """Everything beside the manifest."""
    if found.rules:
        yield _rules(found.rules)
    yield Text(f"{found.status.word}: {found.status.reason}")
    yield Text(f"learned from {_time(found.learned_from)} until {_time(found.learned_until)}")
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
        for each in found.set_aside:
            _add(table, each.says, f"{each.connections:,}", each.reason)
        yield table


def _rules(rules: Iterable[RuleEvidence]) -> Table:
    table = _table("rule", "", "connections", "bytes", "seen in", "from", "until")
    for each in rules:
        _add(table, f"{each.direction} {each.rule}", each.says, *_seen(each.evidence))
    return table


def _seen(evidence: Evidence | None) -> tuple[str, ...]:
    if evidence is None:  # it stands for itself
        return ("-",) * 5
    seen_in = f"{evidence.hours:,} h, {evidence.days:,} d"
    counts = f"{evidence.connections:,}", f"{evidence.bytes:,}"
    return *counts, seen_in, _time(evidence.first), _time(evidence.last)


def _score(score: Score) -> Iterator[RenderableType]:
    """Beside the baselines."""
    yield Text(f"on traffic since {_time(score.cut_at)}, that it had not learned from:")
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


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M}Z"
