"""How our enforced verdicts stand to what the nodes logged (DESIGN.md §4, verdict.agrees)."""

from collections.abc import Iterable

import numpy as np

from pipeline.flow import ACTIONS, MISSING, FlowBatch, Ints
from pipeline.match.trace import UNKNOWN_RULE
from pipeline.match.verdict import Decision, Verdicts

# "" = not compared: unjudged, or ours is unknown.
AGREEMENTS = ("", "yes", "action", "rule", "stale", "none_logged")
_NOT_COMPARED, _YES, _ACTION, _RULE, _STALE, _NONE_LOGGED = range(6)


def agreement(batch: FlowBatch, verdicts: Verdicts, changed_at: int) -> Ints:
    """(n,) index into AGREEMENTS.

    The action is compared, then what decided: the last hit of both traces. Where our completions
    differ on the way, or the node logged no hits or no rule, that part is not compared. A flow that
    disagrees is stale where `changed_at` (ms), since when the revision is in force, lies within it.
    """
    numbers: dict[str, int] = {}
    enforced = [outcome.enforced for outcome in verdicts.outcomes]
    our_action = np.array([_action(decision) for decision in enforced], np.int64)[verdicts.outcome]
    our_hits = _last_hits((decision.trace if decision else () for decision in enforced), numbers)
    our_hit, our_rule = our_hits[:, verdicts.outcome]
    their_hit, their_rule = _last_hits((logged.enforced or () for logged in batch.logs), numbers)[
        :, batch.logged
    ]
    no_hits = their_hit == MISSING
    compared = our_action != MISSING
    other_action = compared & (batch.action != MISSING) & (batch.action != our_action)
    other_rule = (our_rule != their_rule) & (their_rule != UNKNOWN_RULE)
    other_hit = compared & (our_hit != MISSING) & ~no_hits & ((our_hit != their_hit) | other_rule)
    changed_within = (batch.start <= changed_at) & (changed_at <= batch.end)
    cases = [
        (~compared, _NOT_COMPARED),
        ((other_action | other_hit) & changed_within, _STALE),
        (other_action, _ACTION),
        (no_hits, _NONE_LOGGED),
        (other_hit, _RULE),
    ]
    return np.select([case for case, _ in cases], [value for _, value in cases], _YES)


def _action(decision: Decision | None) -> int:
    return ACTIONS.index(decision.action) if decision and decision.action in ACTIONS else MISSING


def _last_hits(traces: Iterable[tuple[str, ...]], numbers: dict[str, int]) -> Ints:
    """(2, traces): a number for the last hit but its rule, and the rule; MISSING for an empty trace."""
    return np.array([_last_hit(trace, numbers) for trace in traces], np.int64).reshape(-1, 2).T


def _last_hit(trace: tuple[str, ...], numbers: dict[str, int]) -> tuple[int, int]:
    if not trace:
        return MISSING, MISSING
    _, hit = trace[-1].split("|", 1)  # its place in the trace may differ: nodes leave hits out
    what, rule = hit.rsplit("|", 1)
    return numbers.setdefault(what, len(numbers)), int(rule)
