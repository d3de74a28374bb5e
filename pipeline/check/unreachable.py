"""Policies and rules that no traffic can reach, since what stands above them decides it."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from pipeline.check.above import Above, Group, Standing, is_before
from pipeline.check.rules import apart, covers
from pipeline.check.selectors import disjoint
from pipeline.policy.policies import Direction, Policies, Policy, PolicyKey, Rule, Tier

type _Place = tuple[Policy, int | None]

DIRECTIONS: tuple[Direction, Direction] = ("ingress", "egress")
ANYTHING = Rule("deny")  # as a policy's rule: what all its rules, and its tier's end, are about
MOST_COMPARED = 200  # rules above one rule that are looked at; what is not looked at proves nothing


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A rule (None: the whole policy) of one direction, and what decides above it: a policy's rule, or
    (None) the end of that policy's tier."""

    policy: Policy
    direction: Direction
    rule: int | None
    by: Policy
    by_rule: int | None


@dataclass(frozen=True)
class Exceptions:
    """What plain policies do not say: rules that match less than they seem to (http), and policies that
    apply to what hosts forward."""

    narrower: AbstractSet[tuple[PolicyKey, Direction, int]] = frozenset()
    forwarding: AbstractSet[PolicyKey] = frozenset()


class _Level(NamedTuple):
    """What of a tier stands above a policy: `end` is one on whose account the tier's end denies the rest."""

    above: Above
    groups: list[Group]
    tier: Tier
    end: Policy | None


class Search:
    """Looks above each rule, in its policy, its tier and the tiers before.

    Whatever is found is reached in no evaluation: enforced, pending, or with any staged policies promoted
    (DESIGN.md §1). So a policy decides for others only if it is enforced and no staged one is to take its
    place, while any Pass, staged or not, may lead past a tier. What is not proved is not found.
    """

    def __init__(self, policies: Policies, exceptions: Exceptions) -> None:
        self._policies = policies
        self._exceptions = exceptions
        self._tiers = {tier.name: tier for tier in policies.tiers}
        self._before = _before(policies.tiers)
        self._known: dict[tuple[str, Direction], Above] = {}

    def all(self) -> Iterator[Unreachable]:
        """Everything that cannot be reached; of a policy none of whose directions can, only that."""
        for policy in self._policies.policies:
            if policy.workloads and policy.staged_action != "Delete":
                yield from self._of_policy(policy)

    def _of_policy(self, policy: Policy) -> Iterator[Unreachable]:
        for direction in DIRECTIONS:
            if direction not in policy.types:
                continue
            levels = list(self._levels(policy, direction))
            numbered = enumerate(policy.rules(direction))
            if whole := self._find(policy, direction, None, ANYTHING, levels):
                yield whole
            else:
                found = (self._find(policy, direction, index, rule, levels) for index, rule in numbered)
                yield from filter(None, found)

    def _levels(self, policy: Policy, direction: Direction) -> Iterator[_Level]:
        """The policy's own tier, and then those before it: where others select all that it does."""
        for tier in (self._tiers[policy.tier], *self._before[policy.tier]):
            above = self._above(tier.name, direction)
            groups = [group for group in above.groups_for(policy.selector) if group.policies != [policy]]
            if groups:
                yield _Level(above, groups, tier, self._end_of(tier, policy, groups))

    def _end_of(self, tier: Tier, policy: Policy, groups: Iterable[Group]) -> Policy | None:
        """A policy that governs all endpoints of this one, so that the end of the tier denies there."""
        if tier.default_action != "deny" or tier.name == policy.tier:
            return None
        others = (other for group in groups for other in group.policies)
        return next((other for other in others if self._applies_with(other, policy)), None)

    def _find(
        self, policy: Policy, direction: Direction, index: int | None, rule: Rule, levels: Iterable[_Level]
    ) -> Unreachable | None:
        found = self._in_policy(policy, direction, index, rule)
        for level in levels:
            if found:
                break
            if level.tier.name == policy.tier:
                found = self._in_tier(level, policy, direction, rule)
            else:
                found = self._in_tier_before(level, policy, direction, rule)
        return Unreachable(policy, direction, index, *found) if found else None

    def _in_policy(
        self, policy: Policy, direction: Direction, index: int | None, rule: Rule
    ) -> _Place | None:
        for above in range(max(0, (index or 0) - MOST_COMPARED), index or 0):
            if self._decides(policy, direction, above, rule):
                return policy, above
        return None

    def _in_tier(self, level: _Level, policy: Policy, direction: Direction, rule: Rule) -> _Place | None:
        for one in self._candidates(level, policy, direction, rule):
            if is_before(one.policy, policy) and self._decides(one.policy, direction, one.index, rule):
                return one.policy, one.index
        return None

    def _in_tier_before(
        self, level: _Level, policy: Policy, direction: Direction, rule: Rule
    ) -> _Place | None:
        passes = level.above.passes
        if level.end and not any(_meet(passing, policy, rule) for passing in passes):
            return level.end, None
        for one in self._candidates(level, policy, direction, rule):
            if one.rule.action == "pass" or not self._decides(one.policy, direction, one.index, rule):
                continue
            if all(one.is_before(passing) or not _meet(passing, policy, rule) for passing in passes):
                return one.policy, one.index
        return None

    def _candidates(
        self, level: _Level, policy: Policy, direction: Direction, rule: Rule
    ) -> Iterable[Standing]:
        found = level.above.rules_in(level.groups, rule, direction)
        others = (one for one in found if one.policy is not policy and self._applies_with(one.policy, policy))
        return islice(others, MOST_COMPARED)

    def _decides(self, policy: Policy, direction: Direction, index: int, rule: Rule) -> bool:
        wide = policy.rules(direction)[index]
        return (
            wide.action != "log"
            and (policy.key, direction, index) not in self._exceptions.narrower
            and covers(wide, rule, direction)
        )

    def _applies_with(self, above: Policy, policy: Policy) -> bool:
        """Whether it is evaluated wherever the policy is: not all see forwarded traffic (CALICO.md §2.4)."""
        forwarding = self._exceptions.forwarding
        return policy.key not in forwarding or above.key in forwarding

    def _above(self, tier: str, direction: Direction) -> Above:
        known = self._known.get((tier, direction))
        if known is None:
            known = self._known[tier, direction] = Above(self._policies, tier, direction)
        return known


def _before(tiers: Iterable[Tier]) -> dict[str, list[Tier]]:
    """The tiers that stand before each for certain: where one without its object stands nobody knows."""
    placed: list[Tier] = []
    before: dict[str, list[Tier]] = {}
    for tier in tiers:
        before[tier.name] = list(placed) if tier.defined else []
        placed += [tier] if tier.defined else []
    return before


def _meet(passing: Standing, policy: Policy, rule: Rule) -> bool:
    """Whether a flow that the policy's rule matches may meet the Pass rule."""
    return not (disjoint(passing.policy.selector, policy.selector) or apart(passing.rule, rule))
