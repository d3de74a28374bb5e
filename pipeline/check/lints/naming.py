"""Tiers that have no object, names and orders that are nearly or by chance the same."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pipeline.check.rules import apart
from pipeline.check.selectors import disjoint
from pipeline.check.subject import Subject
from pipeline.check.unreachable import DIRECTIONS
from pipeline.policy.policies import Policy, PolicyKey
from pipeline.policy.problems import Problem
from pipeline.policy.schema_calico import BUILT_IN_TIERS

MOST_COMPARED = 50  # policies of one order that one of them is compared with


def missing_tiers(subject: Subject) -> Iterator[Problem]:
    """Tiers that only policies name, told once each."""
    missing: dict[str, list[Policy]] = defaultdict(list)
    for policy in subject.policies.policies:
        if policy.tier not in subject.tiers and policy.tier not in BUILT_IN_TIERS:
            missing[policy.tier].append(policy)
    for tier, policies in missing.items():
        others = f" (and for {len(policies) - 1} more policies)" if len(policies) > 1 else ""
        yield subject.problem(policies[0], ("spec", "tier"), f"there is no Tier {tier} for it{others}")


def prefixes(subject: Subject) -> Iterator[Problem]:
    """Names of one tier that differ by `tier.` only (CALICO.md §2.2)."""
    alike: dict[tuple[str, PolicyKey], list[Policy]] = defaultdict(list)
    for policy in subject.policies.policies:
        twin = policy.key.twin
        plain = PolicyKey(twin.kind, twin.namespace, twin.name.removeprefix(f"{policy.tier}."))
        alike[policy.tier, plain].append(policy)
    for policies in alike.values():
        first = policies[0]
        for other in policies[1:]:
            if other.key.name != first.key.name:
                place = subject.place(first.key)
                line = place.item.line_of(("metadata", "name"))
                reason = f"differs from {first.key} ({place.file}:{line}) by the prefix of its tier only"
                yield subject.problem(other, ("metadata", "name"), reason)


def shared_orders(subject: Subject) -> Iterator[Problem]:
    """Policies of one order that treat the same traffic differently, so that their names decide."""
    groups: dict[tuple[str, float | None], list[Policy]] = defaultdict(list)
    unreached = {found.policy.key for found in subject.unreachable if found.rule is None}
    for policy in subject.policies.policies:
        if policy.workloads and policy.key not in unreached and any(map(policy.rules, DIRECTIONS)):
            groups[policy.tier, policy.order].append(policy)
    for (_, order), policies in groups.items():
        for policy, first in _conflicts(policies):
            place = subject.place(first.key)
            what = "no order, as" if order is None else f"order {order:g}, as"
            reason = (
                f"has {what} {first.key} ({place.file}:{place.item.line_of(('spec', 'order'))}), which may do"
                " otherwise with the same traffic: their names decide which is first"
            )
            yield subject.problem(policy, ("spec", "order"), reason)


def _conflicts(policies: Sequence[Policy]) -> Iterator[tuple[Policy, Policy]]:
    """Each policy with the first one before it that does otherwise with some traffic of both."""
    by_namespace: dict[str, list[Policy]] = defaultdict(list)
    for policy in policies:
        own = policy.key.namespace
        met = (
            [*by_namespace[""], *by_namespace[own]]
            if own
            else [p for ps in by_namespace.values() for p in ps]
        )
        first = next((other for other in met[:MOST_COMPARED] if _conflict(policy, other)), None)
        if first:
            yield policy, first
        by_namespace[own].append(policy)


def _conflict(one: Policy, other: Policy) -> bool:
    if one.key.twin == other.key.twin or disjoint(one.selector, other.selector):
        return False
    return any(
        ours.action != theirs.action and "log" not in (ours.action, theirs.action) and not apart(ours, theirs)
        for direction in one.types & other.types
        for ours in one.rules(direction)
        for theirs in other.rules(direction)
    )
