"""Policies and rules that nothing can reach, and a Pass that leads nowhere."""

from collections.abc import Iterator

from pipeline.check.selectors import disjoint
from pipeline.check.subject import Subject
from pipeline.check.unreachable import DIRECTIONS, Unreachable
from pipeline.policy.policies import Direction, Policy, PolicyKey
from pipeline.policy.problems import Problem
from pipeline.policy.selector import Selector

VERBS = {"allow": "allows", "deny": "denies", "pass": "passes"}


def policies(subject: Subject) -> Iterator[Problem]:
    """Policies that decide nothing, in one direction or at all."""
    whole: dict[PolicyKey, list[Unreachable]] = {}
    for found in subject.unreachable:
        if found.rule is None:
            whole.setdefault(found.policy.key, []).append(found)
    for several in whole.values():
        first = several[0]
        everywhere = len(several) == len(first.policy.types)
        place, what = (("spec",), "policy") if everywhere else (("spec", first.direction), first.direction)
        reason = f"nothing reaches this {what}: {_decider(subject, first)} all that its endpoints do"
        yield subject.problem(first.policy, place, reason)


def rules(subject: Subject) -> Iterator[Problem]:
    """Rules that match only what was decided before."""
    by_item: dict[tuple[PolicyKey, Direction, int], list[Unreachable]] = {}
    for found in subject.unreachable:
        if found.rule is not None:
            item = subject.items(found.policy, found.direction)[found.rule]
            by_item.setdefault((found.policy.key, found.direction, item), []).append(found)
    for (_, direction, item), several in by_item.items():
        first = several[0]
        if len(several) == subject.items(first.policy, direction).count(item):
            reason = f"nothing reaches this rule: {_decider(subject, first)} all that it matches"
            yield subject.problem(first.policy, ("spec", direction, item), reason)


def _decider(subject: Subject, found: Unreachable) -> str:
    by, place = found.by, subject.place(found.by.key)
    if found.by_rule is None:
        line = place.item.line_of(())
        return f"tier {by.tier}, in which {by.key} ({place.file}:{line}) selects the same endpoints, denies"
    item = subject.items(by, found.direction)[found.by_rule]
    line = place.item.line_of(("spec", found.direction, item))
    verb = VERBS[by.rules(found.direction)[found.by_rule].action]
    return f"rule {item} of {by.key} ({place.file}:{line}) {verb}"


def passes(subject: Subject) -> Iterator[Problem]:
    """Pass rules behind which no policy of a later tier can be met."""
    later = _Later(subject)
    unreached = {(found.policy.key, found.direction, found.rule) for found in subject.unreachable}
    for policy in subject.policies.policies:
        for direction in DIRECTIONS:
            numbers = [n for n, rule in enumerate(policy.rules(direction)) if rule.action == "pass"]
            told = {(policy.key, direction, None)} & unreached or not policy.workloads
            if not numbers or told or direction not in policy.types or later.meets(policy, direction):
                continue
            items = subject.items(policy, direction)
            reached = [n for n in numbers if (policy.key, direction, n) not in unreached]
            for item in dict.fromkeys(items[n] for n in reached):
                reason = (
                    f"no policy of a tier after {policy.tier} governs {direction} of these endpoints: what is"
                    " passed nothing decides, and a pod's namespace allows it"
                )
                yield subject.problem(policy, ("spec", direction, item), reason)


class _Later:
    """Which endpoints the policies of the tiers govern."""

    def __init__(self, subject: Subject) -> None:
        tiers = subject.policies.tiers
        self._names = [tier.name for tier in tiers]
        self._placed = {tier.name for tier in tiers if tier.defined}
        self._selectors: dict[tuple[str, Direction, str], dict[Selector, None]] = {}
        for policy in subject.policies.policies:
            if policy.workloads and policy.staged_action != "Delete":
                for direction in policy.types:
                    place = (policy.tier, direction, policy.key.namespace)
                    self._selectors.setdefault(place, {})[policy.selector] = None

    def meets(self, policy: Policy, direction: Direction) -> bool:
        """Whether what the policy passes may meet another one; so it is where nobody knows what is later."""
        if policy.tier not in self._placed:
            return True
        later = set(self._names[self._names.index(policy.tier) + 1 :])
        own = policy.key.namespace
        return any(
            not disjoint(policy.selector, selector)
            for (tier, towards, namespace), selectors in self._selectors.items()
            if tier in later and towards == direction and (not own or namespace in ("", own))
            for selector in selectors
        )
