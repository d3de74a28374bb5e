"""The pairs of outcomes that flows have under two revisions, and what changes from one to the other."""

from collections.abc import Callable

import numpy as np

from pipeline.flow import Ints
from pipeline.match.verdict import Outcome, Verdicts

NOTHING, DENIED, ALLOWED, UNKNOWN = range(4)  # what changes; beyond NOTHING by place in CHANGES


class Pairs:
    """The pairs of outcomes that flows have: one stands for many flows, so each is looked at once.

    `number` (n,) tells the pairs apart.
    """

    def __init__(self, before: Verdicts, after: Verdicts) -> None:
        self._outcomes = before.outcomes, after.outcomes
        self._width = len(after.outcomes)  # the judge may add to them
        self.number = before.outcome * self._width + after.outcome
        self._distinct, self._of_flow = np.unique(self.number, return_inverse=True)

    def both(self, number: int) -> tuple[Outcome, Outcome]:
        before, after = divmod(number, self._width)
        return self._outcomes[0][before], self._outcomes[1][after]

    def of_each(self, what: Callable[[Outcome, Outcome], int]) -> Ints:
        """(n,) what is said of each flow's pair."""
        said = [what(*self.both(number)) for number in self._distinct.tolist()]
        return np.array(said, np.int64)[self._of_flow]


def change_of(before: Outcome, after: Outcome) -> int:
    """What changes from one outcome to the other."""
    was, becomes = action_of(before), action_of(after)
    if "unjudged" in (was, becomes):
        return NOTHING
    if "unknown" in (was, becomes):
        return UNKNOWN
    if was == becomes:
        return NOTHING
    return DENIED if becomes == "deny" else ALLOWED


def are_unknown(before: Outcome, after: Outcome) -> bool:
    return action_of(before) == action_of(after) == "unknown"


def may_be_let_through(before: Outcome, after: Outcome) -> bool:
    """Whether a flow may have been denied, and may be allowed now."""
    return action_of(before) != "allow" and action_of(after) != "deny" and not are_unknown(before, after)


def action_of(outcome: Outcome) -> str:
    return outcome.enforced.action if outcome.enforced and not outcome.unjudged else "unjudged"
