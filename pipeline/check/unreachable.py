"""Policies and rules that no traffic can reach, since what stands above them decides it."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice

from pipeline.check.above import Above, Standing, is_before
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


class Search:
    """Looks above each rule, in its policy, its tier and the tiers before.

    Whatever is found is reached in no evaluation: enforced, pending, or with any staged policies promoted
    (DESIGN.md §1). So a policy decides for others only if it is enforced and no staged one is to take its
    place, while any Pass, staged or not, may lead past a tier. What is not proved is not found.
    """

    def __init__(self, policies: Policies, exceptions: Exceptions) -> None:
        self._policies = policies
        self._exceptions = exceptions
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
            if whole := self._find(policy, direction, None, ANYTHING):
                yield whole
                continue
            for index, rule in enumerate(policy.rules(direction)):
                if found := self._find(policy, direction, index, rule):
                    yield found

    def _find(
        self, policy: Policy, direction: Direction, index: int | None, rule: Rule
    ) -> Unreachable | None:
        found = self._in_policy(policy, direction, index, rule) or self._in_tier(policy, direction, rule)
        found = found or self._in_tiers_before(policy, direction, rule)
        return Unreachable(policy, direction, index, *found) if found else None

    def _in_policy(
        self, policy: Policy, direction: Direction, index: int | None, rule: Rule
    ) -> _Place | None:
        for above in range(max(0, (index or 0) - MOST_COMPARED), index or 0):
            if self._decides(policy, direction, above, rule):
                return policy, above
        return None

    def _decides(self, policy: Policy, direction: Direction, index: int, rule: Rule) -> bool:
        wide = policy.rules(direction)[index]
        return (
            wide.action != "log"
            and (policy.key, direction, index) not in self._exceptions.narrower
            and covers(wide, rule, direction)
        )

    def _in_tier(self, policy: Policy, direction: Direction, rule: Rule) -> _Place | None:
        for standing in self._candidates(policy, policy.tier, direction, rule):
            if is_before(standing.policy, policy) and self._decides(
                standing.policy, direction, standing.index, rule
            ):
                return standing.policy, standing.index
        return None

    def _in_tiers_before(self, policy: Policy, direction: Direction, rule: Rule) -> _Place | None:
        for tier in self._tiers_before(policy.tier):
            above = self._above(tier.name, direction)
            by = self._selects(policy, above) if tier.default_action == "deny" else None
            if by and not any(_meet(passing, policy, rule) for passing in above.passes):
                return by, None
            for one in self._candidates(policy, tier.name, direction, rule):
                if one.rule.action == "pass" or not self._decides(one.policy, direction, one.index, rule):
                    continue
                if all(
                    one.is_before(passing) or not _meet(passing, policy, rule) for passing in above.passes
                ):
                    return one.policy, one.index
        return None

    def _candidates(self, policy: Policy, tier: str, direction: Direction, rule: Rule) -> Iterable[Standing]:
        above = self._above(tier, direction)
        found = above.rules_for(policy.selector, rule, direction)
        others = (one for one in found if one.policy is not policy and self._applies_with(one.policy, policy))
        return islice(others, MOST_COMPARED)

    def _selects(self, policy: Policy, above: Above) -> Policy | None:
        """A policy that governs all endpoints of this one, so that the tier's end decides there."""
        found = (by for by in above.policies_for(policy.selector) if self._applies_with(by, policy))
        return next(found, None)

    def _above(self, tier: str, direction: Direction) -> Above:
        known = self._known.get((tier, direction))
        if known is None:
            known = self._known[tier, direction] = Above(self._policies, tier, direction)
        return known

    def _applies_with(self, above: Policy, policy: Policy) -> bool:
        """Whether it is evaluated wherever the policy is: not all see forwarded traffic (CALICO.md §2.4)."""
        forwarding = self._exceptions.forwarding
        return policy.key not in forwarding or above.key in forwarding

    def _tiers_before(self, name: str) -> list[Tier]:
        """Those that stand before it for certain: where a tier without its object stands nobody knows."""
        tiers = [tier for tier in self._policies.tiers if tier.defined]
        names = [tier.name for tier in tiers]
        return tiers[: names.index(name)] if name in names else []


def _meet(passing: Standing, policy: Policy, rule: Rule) -> bool:
    """Whether a flow that the policy's rule matches may meet the Pass rule."""
    return not (disjoint(passing.policy.selector, policy.selector) or apart(passing.rule, rule))
