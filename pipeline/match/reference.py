"""The slow, obvious evaluator: what CALICO.md says, one complete flow at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pipeline.identity import Identity, Slice
from pipeline.match.rule import CompleteFlow, LabelledSet, Party, as_mapping, rule_matches
from pipeline.match.trace import END_OF_TIER, PROFILE, Hit, render
from pipeline.match.verdict import Decision
from pipeline.policy.policies import MODEL_KINDS, Direction, Policies, Policy, PolicyKey, Rule, Tier

__all__ = ["CompleteFlow", "LabelledSet", "Party", "Scope", "decide", "in_scope"]

type Scope = Literal["enforced", "pending", "promoted"] | PolicyKey  # a key: that staged one alone promoted


def decide(
    policies: Policies,
    sets: Sequence[LabelledSet],
    slices: Sequence[Slice],
    flow: CompleteFlow,
    direction: Direction,
    scope: Scope,
) -> Decision:
    """What `scope` does with `flow` at its source (egress) or destination (ingress): CALICO.md §4.1.

    Never "unknown". ValueError where the judged side is no endpoint.
    """
    if flow.from_own_host and direction == "ingress":
        return Decision("allow", policy="host")
    local = (flow.source if direction == "egress" else flow.destination).identity
    if local is None:
        raise ValueError(f"{direction} is judged at an endpoint, and this side is none")

    def matches(rule: Rule) -> bool:
        return rule_matches(rule, flow, direction, sets, slices)

    hits = tuple(_walk(policies, local, direction, scope, matches))
    last = hits[-1]
    return Decision(
        "allow" if last.action == "allow" else "deny", render(hits), last.tier, last.policy, last.rule
    )


def _walk(
    policies: Policies, local: Identity, direction: Direction, scope: Scope, matches: Callable[[Rule], bool]
) -> Iterator[Hit]:
    """One hit per tier that applies, until one decides; then the profile."""
    labels = as_mapping(local.labels)
    met = [p for p in in_scope(policies, scope) if direction in p.types and p.selector.matches(labels)]
    index = 0
    for tier in policies.tiers:
        of_tier = [policy for policy in met if policy.tier == tier.name]
        if not of_tier:
            continue
        hit = _hit_in_tier(index, tier, of_tier, direction, scope, matches)
        yield hit
        if hit.action != "pass":
            return
        index += 1
    yield _profile_hit(index, local, scope)


def _hit_in_tier(
    index: int,
    tier: Tier,
    of_tier: Sequence[Policy],
    direction: Direction,
    scope: Scope,
    matches: Callable[[Rule], bool],
) -> Hit:
    for policy in of_tier:
        for number, rule in enumerate(policy.rules(direction)):
            if rule.action != "log" and matches(rule):
                key = policy.key
                return Hit(index, tier.name, key.kind, key.namespace, key.name, rule.action, number)
    # The dataplane names the last policy of a tier that ended, the pending evaluation the first (§4.3).
    key = of_tier[0 if scope == "pending" else -1].key
    return Hit(index, tier.name, key.kind, key.namespace, key.name, tier.default_action, END_OF_TIER)


def _profile_hit(index: int, local: Identity, scope: Scope) -> Hit:
    """A namespace's profile allows everything, ksa.* has no rules (§2.7); none denies (§4.3)."""
    for profile in local.profiles:
        if profile.startswith("kns."):
            return Hit(index, PROFILE, "pro", "", profile, "allow", 0)
    if scope == "pending":
        return Hit(index, PROFILE, "pro", "", PROFILE, "deny", END_OF_TIER)
    return Hit(index, PROFILE, "pro", "", "__NO_MATCH__", "deny", 0)


def in_scope(policies: Policies, scope: Scope) -> tuple[Policy, ...]:
    """The policies that `scope` evaluates, in its order (CALICO.md §4.2; promoted: DESIGN.md §1)."""
    everyone = policies.policies
    if scope == "pending":
        return tuple(
            p for p in everyone if p.workloads and not (p.key.staged and p.staged_action == "Delete")
        )
    promoted = [p for p in everyone if p.key.staged and _is_promoted(p, scope)]
    replaced = {p.key.twin for p in promoted}
    kept = [p for p in everyone if not p.key.staged and p.key not in replaced]
    added = [p for p in promoted if p.staged_action != "Delete"]
    return tuple(sorted((p for p in kept + added if p.workloads), key=_enforced_order))


def _is_promoted(policy: Policy, scope: Scope) -> bool:
    if scope == "promoted":
        return policy.staged_action in ("Set", "Delete")
    return policy.key == scope


def _enforced_order(policy: Policy) -> tuple[bool, float, str]:
    """Order within a tier (CALICO.md §2.3), a staged policy as the enforced kind that it becomes."""
    key = policy.key.twin
    return policy.order is None, policy.order or 0.0, f"{key.name}/{key.namespace}/{MODEL_KINDS[key.kind]}"
