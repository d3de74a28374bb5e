"""What the policies decide about a flow: a decision per scope, impact, and what is unknown."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.match.bits import Ints
from pipeline.match.matched import RuleSets
from pipeline.policy.policies import Direction

type VerdictAction = Literal["allow", "deny", "unknown"]
type Impact = Literal["none", "newly_denied", "newly_allowed", "unknown"]


class TooMany(Exception):  # noqa: N818 - it is no mistake of anybody's
    """What is missing can be completed in more ways than the bound allows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One scope's answer. `trace` is () and `tier`, `policy`, `rule` are None where the completions
    of what is missing agree on the action but not on the way to it, and where it is unknown."""

    action: VerdictAction
    trace: tuple[str, ...] = ()
    tier: str | None = None
    policy: str | None = None  # as in traces: np:ns/name
    rule: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict of a flow class. `unjudged` says why there are no decisions ("forwarded").

    `staged_deny`: staged policies each of which, promoted alone, would deny this allowed flow;
    `staged_allow`: would allow this denied flow; `staged_unknown`: whose own effect is unknown.
    """

    namespace: str
    direction: Direction | Literal["forward"]
    enforced: Decision | None
    pending: Decision | None
    promoted: Decision | None
    impact: Impact = "none"
    staged_deny: tuple[str, ...] = ()
    staged_allow: tuple[str, ...] = ()
    staged_unknown: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unjudged: str | None = None


@dataclass(slots=True)
class Verdicts:
    """The outcome of each flow of a batch: `outcome` (n,) indexes `outcomes`, the distinct ones.

    `classes`: how many distinct flow classes the batch had. `matched`: the rules that each flow matched;
    None where nobody noted them.
    """

    revision: str
    outcome: Ints
    outcomes: list[Outcome]
    classes: int = 0
    matched: "Matched | None" = None

    def without(self, rows: list[int]) -> "Verdicts":
        """The same without the flows at `rows`."""
        matched = self.matched and replace(self.matched, of_flow=np.delete(self.matched.of_flow, rows))
        return replace(self, outcome=np.delete(self.outcome, rows), matched=matched)


@dataclass(frozen=True, slots=True)
class Matched:
    """The rules that each flow of a batch matched: `of_flow` (n,) numbers sets of them."""

    of_flow: Ints
    sets: RuleSets
