"""The order in which Calico evaluates tiers and policies (CALICO.md §1, §2.3)."""

from collections.abc import Iterable
from math import inf

from pipeline.policy.policies import MODEL_KINDS, Policy, Tier
from pipeline.policy.schema_calico import BUILT_IN_TIERS


def all_tiers(defined: Iterable[Tier], policies: Iterable[Policy]) -> tuple[Tier, ...]:
    """The tiers in order: those defined, the built-in ones, and names that only policies mention."""
    tiers = {
        name: Tier(name, order, "pass" if action == "Pass" else "deny")
        for name, (order, action) in BUILT_IN_TIERS.items()
    }
    tiers |= {tier.name: tier for tier in defined}
    for policy in policies:
        tiers.setdefault(policy.tier, Tier(policy.tier, None, "deny", defined=False))
    return tuple(sorted(tiers.values(), key=tier_key))


def in_order(policies: Iterable[Policy], tiers: Iterable[Tier]) -> tuple[Policy, ...]:
    """The policies by tier, and in a tier by order and name."""
    place = {tier.name: index for index, tier in enumerate(tiers)}
    return tuple(sorted(policies, key=lambda policy: (place[policy.tier], *policy_key(policy))))


def tier_key(tier: Tier) -> tuple[bool, bool, float, bytes]:
    """What Calico's TierLess compares."""
    return not tier.defined, tier.order is None, tier.order or 0.0, tier.name.encode()


def policy_key(policy: Policy) -> tuple[float, bytes]:
    """What Calico's PolKVLess compares."""
    key = policy.key
    text = f"{key.name}/{key.namespace}/{MODEL_KINDS[key.kind]}"
    return inf if policy.order is None else policy.order, text.encode()
