"""Staged policies in force: what a revision would be, were some of them enforced (DESIGN.md §1, promoted)."""

from collections.abc import Collection
from dataclasses import replace

from pipeline.policy.order import in_order
from pipeline.policy.policies import Policies, Policy, PolicyKey

PROMOTABLE = ("Set", "Delete")  # Learn and Ignore are left out


def promotable(policies: Policies) -> tuple[PolicyKey, ...]:
    """The staged policies that promoting does something with, in evaluation order."""
    return tuple(each.key for each in policies.policies if each.key.staged and _counts(each))


def promote(policies: Policies, keys: Collection[PolicyKey]) -> Policies:
    """The revision with these staged policies in the place of their enforced twins; one that deletes takes
    its twin away. The revision keeps its name: it is no content that anybody wrote."""
    promoted = [each for each in policies.policies if each.key in keys and _counts(each)]
    gone = {key for each in promoted for key in (each.key, each.key.twin)}
    kept = [each for each in policies.policies if each.key not in gone]
    added = [replace(each, key=each.key.twin) for each in promoted if each.staged_action == "Set"]
    return replace(policies, policies=in_order([*kept, *added], policies.tiers))


def _counts(policy: Policy) -> bool:
    return policy.staged_action in PROMOTABLE
