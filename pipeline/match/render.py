"""Hits rendered as decisions: the trace in Calico's grammar and what decided, once per distinct way."""

from functools import cache

from pipeline.match.compile import ACTIONS, PENDING, Layout
from pipeline.match.verdict import Decision, VerdictAction
from pipeline.match.walk import SKIPPED

WORDS = {number: word for word, number in ACTIONS.items()}
# What Calico writes where no profile stands behind a workload: the dataplane, and the pending
# evaluation (CALICO.md §4.3).
NO_PROFILE = {PENDING: "__PROFILE__|pro:__PROFILE__|deny|-1"}
NO_PROFILE_ENFORCED = "__PROFILE__|pro:__NO_MATCH__|deny|0"
OWN_HOST = Decision("allow", policy="host")


class Renderer:
    """The decisions of one direction's hits."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.decision = cache(self._decision)

    def _decision(self, scope: int, hits: tuple[int, ...], profile: str | None) -> Decision:
        """The decision of one column of `Walked.hits` in a scope (CALICO.md §5.1)."""
        parts = [self._hit(hit) for hit in hits[:-1] if hit != SKIPPED]
        if hits[-1] != SKIPPED:
            parts.append(_profile_hit(scope, profile))
        *_, (tier, policy, action, rule) = parts
        trace = tuple(f"{i}|{t}|{p}|{a}|{r}" for i, (t, p, a, r) in enumerate(parts))
        verdict: VerdictAction = "allow" if action == "allow" else "deny"
        return Decision(verdict, trace, tier, policy, rule)

    def _hit(self, hit: int) -> tuple[str, str, str, int]:
        layout = self._layout
        bits = len(layout.bit_slot)
        if hit < bits:
            slot = layout.slots[layout.bit_slot[hit]]
            action, rule = WORDS[int(layout.bit_action[hit])], int(layout.bit_rule[hit])
        else:
            slot = layout.slots[hit - bits]
            action, rule = layout.tiers[slot.tier].default_action, -1
        return layout.tiers[slot.tier].name, str(slot.policy.key), action, rule


def _profile_hit(scope: int, profile: str | None) -> tuple[str, str, str, int]:
    if profile is not None:
        return "__PROFILE__", f"pro:{profile}", "allow", 0
    tier, policy, action, rule = NO_PROFILE.get(scope, NO_PROFILE_ENFORCED).split("|")
    return tier, policy, action, int(rule)
