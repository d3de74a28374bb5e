"""Figures of a staged policy ▸ whether it is safe to enforce, in words and figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.readiness_section import ReadinessLimits

type Word = Literal["would cut traffic", "unknown", "not enough seen", "safe to enforce"]
HOURS_OF_WEEK = 168
_NAMED = 5  # workloads or reasons that a sentence names at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was seen of a staged policy since its content, and that of what stands beside it, is in force.

    Its workloads are those whose traffic it may change (`Staged.workloads`); their flows are those in its
    directions. `hours_of_week` are those in which its workloads had flows, `hours_of_week_active` those in
    which they had any since flows are kept, `hours_of_week_watched` those in which anybody had.
    `hours_behind`: how long ago the newest hour began in which anybody had flows. `unjudged`: why verdicts
    do not tell all of it.
    """

    unjudged: str | None = None
    days: int = 0
    hours_of_week: int = 0
    hours_of_week_active: int = 0
    hours_of_week_watched: int = 0
    hours_behind: int = 0
    edges_cut: int = 0
    connections_cut: int = 0
    bytes_cut: int = 0
    edges_opened: int = 0
    connections_opened: int = 0
    flows_judged: int = 0
    flows_unknown: int = 0
    unknown_reasons: Mapping[str, int] = field(default_factory=dict)  # flows by what is missing
    flows_disagreeing: int = 0  # of those judged: the node did something else than the enforced verdict says
    workloads: int = 0
    silent_workloads: tuple[str, ...] = ()
    first: int | None = None
    last: int | None = None

    @property
    def unknown_share(self) -> float:
        return self.flows_unknown / self.flows_judged if self.flows_judged else 0.0

    @property
    def disagreeing_share(self) -> float:
        return self.flows_disagreeing / self.flows_judged if self.flows_judged else 0.0


class Readiness(NamedTuple):
    """`reason`: the sentences that led to `word`, then what a policy opens."""

    word: Word
    reason: str


def readiness(figures: Figures, limits: ReadinessLimits) -> Readiness:
    """What is known to be cut weighs most, then what is unknown, then what was not seen: a policy is safe
    to enforce only where none of that is left."""
    objections: dict[Word, list[str]] = {
        "would cut traffic": [*_cut(figures)],
        "unknown": [*_unknown(figures, limits)],
        "not enough seen": [*_unseen(figures, limits)],
    }
    left = [(word, sentences) for word, sentences in objections.items() if sentences]
    word: Word = left[0][0] if left else "safe to enforce"
    sentences = [sentence for _, each in left for sentence in each] or [_safe(figures)]
    return Readiness(word, " ".join([*sentences, *_opened(figures)]))


def _cut(figures: Figures) -> Iterator[str]:
    if figures.edges_cut:
        connections = _count(figures.connections_cut, "connection")
        yield (
            f"It would cut {_count(figures.edges_cut, 'edge')}: {connections}, {figures.bytes_cut:,} bytes."
        )


def _unknown(figures: Figures, limits: ReadinessLimits) -> Iterator[str]:
    if figures.unjudged:
        yield f"Not all that it would do is judged: {figures.unjudged}."
        return
    if figures.flows_unknown > limits.unknown_share * figures.flows_judged:
        why = sorted(figures.unknown_reasons, key=lambda each: (-figures.unknown_reasons[each], each))
        flows = f"{figures.flows_unknown:,} of {_count(figures.flows_judged, 'flow')}"
        shares = f"{_percent(figures.unknown_share)}, at most {_percent(limits.unknown_share)}"
        yield f"Its effect on {flows} ({shares}) is unknown for want of {_named(why)}."
    if figures.flows_disagreeing > limits.unknown_share * figures.flows_judged:
        flows = f"{figures.flows_disagreeing:,} of {_count(figures.flows_judged, 'flow')}"
        shares = f"{_percent(figures.disagreeing_share)}, at most {_percent(limits.unknown_share)}"
        yield f"The nodes did something else with {flows} ({shares}) than the enforced policies say."


def _unseen(figures: Figures, limits: ReadinessLimits) -> Iterator[str]:
    if not figures.workloads:
        yield "It applies to no workload that is known."
    if figures.silent_workloads:
        silent = figures.silent_workloads
        yield f"{len(silent):,} of its {figures.workloads:,} workloads had no flow: {_named(silent)}."
    if figures.days < limits.days:
        yield f"Its workloads had flows on {figures.days} of {_count(limits.days, 'day')}."
    missing = figures.hours_of_week_active - figures.hours_of_week
    if missing > 0:
        yield f"{_count(missing, 'hour')} of the week in which its workloads are active were not seen yet."
    if figures.hours_of_week_watched < limits.hours_of_week:
        hours = f"{figures.hours_of_week_watched} of {limits.hours_of_week} hours of the week"
        yield f"Flows were judged in {hours}."
    if figures.hours_behind > limits.hours_behind:
        yield f"What is known ends {figures.hours_behind:,} hours ago."


def _safe(figures: Figures) -> str:
    return (
        f"Nothing would be cut of {_count(figures.flows_judged, 'flow')}"
        f" of {_count(figures.workloads, 'workload')}, seen on {_count(figures.days, 'day')} and in"
        f" {figures.hours_of_week} hours of the week; unknown: {figures.flows_unknown:,}."
    )


def _opened(figures: Figures) -> Iterator[str]:
    if figures.edges_opened:
        connections = _count(figures.connections_opened, "connection")
        yield f"It would open {_count(figures.edges_opened, 'edge')} that are denied: {connections}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _named(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:_NAMED]) or "what the record lacks"
    more = len(names) - _NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown
