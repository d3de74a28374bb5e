"""The slow, obvious evaluator: what CALICO.md says, one complete flow at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from pipeline.identity import Identity, Slice
from pipeline.match.complete import OpenFlow, completions
from pipeline.match.rule import CompleteFlow, LabelledSet, Party, as_mapping, rule_matches
from pipeline.match.trace import END_OF_TIER, PROFILE, Hit, render
from pipeline.match.verdict import Decision, Impact, Outcome
from pipeline.policy.policies import MODEL_KINDS, Direction, Policies, Policy, PolicyKey, Rule, Tier

__all__ = [
    "CompleteFlow",
    "LabelledSet",
    "OpenFlow",
    "Party",
    "Scope",
    "decide",
    "in_scope",
    "judge",
]

type Scope = Literal["enforced", "pending", "promoted"] | PolicyKey  # a key: that staged one alone promoted

NAMESPACE = "projectcalico.org/namespace"


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


def judge(
    policies: Policies, sets: Sequence[LabelledSet], slices: Sequence[Slice], flow: OpenFlow, at_most: int
) -> Outcome:
    """What is certain of `flow`, whatever is missing: what all its completions agree on (DESIGN.md §4).

    `unknown` names all that is missing where anything is unknown, be it the cause or not. Where
    nothing completes the flow, nothing is known. TooMany where it has more than `at_most` completions.
    """
    staged = [p.key for p in policies.policies if p.key.staged and p.staged_action in ("Set", "Delete")]
    scopes: list[Scope] = ["enforced", "pending", "promoted", *staged]
    answers = [
        {scope: _answer(policies, sets, slices, complete, flow.direction, scope) for scope in scopes}
        for complete in completions(policies, sets, slices, flow, at_most)
    ]
    enforced, pending, promoted = (_agreed([answer[scope][0] for answer in answers]) for scope in scopes[:3])
    impact, *effects = (_same([answer[scope][1] for answer in answers]) or "unknown" for scope in scopes[2:])

    def having(effect: Impact) -> tuple[str, ...]:
        return tuple(str(key) for key, its in zip(staged, effects, strict=True) if its == effect)

    is_unknown = "unknown" in (enforced.action, pending.action, promoted.action, impact, *effects)
    return Outcome(
        namespace=_namespace(flow),
        direction=flow.direction,
        enforced=enforced,
        pending=pending,
        promoted=promoted,
        impact=impact,
        staged_deny=having("newly_denied"),
        staged_allow=having("newly_allowed"),
        staged_unknown=having("unknown"),
        unknown=_missing(flow, slices) if is_unknown else (),
    )


def _answer(
    policies: Policies,
    sets: Sequence[LabelledSet],
    slices: Sequence[Slice],
    flow: CompleteFlow,
    direction: Direction,
    scope: Scope,
) -> tuple[Decision, Impact]:
    """The scope's decision, and what it changes of the enforced one for a flow judged in `direction`."""
    enforced = decide(policies, sets, slices, flow, direction, "enforced")
    decision = decide(policies, sets, slices, flow, direction, scope)
    if decision.action == enforced.action:
        return decision, "none"
    if decision.action == "deny":
        return decision, "newly_denied"
    peer = flow.destination.identity
    if direction == "egress" and peer is not None and peer.kind == "wep":
        # Denied at its source so far, it has no record at its destination: that side is judged here.
        let_in = decide(policies, sets, slices, flow, "ingress", scope).action == "allow"
        return decision, "newly_allowed" if let_in else "none"
    return decision, "newly_allowed"


def _agreed(decisions: Sequence[Decision]) -> Decision:
    action = _same([decision.action for decision in decisions])
    return _same(decisions) or Decision(action or "unknown")


def _same[T](items: Sequence[T]) -> T | None:
    """What all items are, if they are all the same."""
    return items[0] if items and all(item == items[0] for item in items) else None


def _missing(flow: OpenFlow, slices: Sequence[Slice]) -> tuple[str, ...]:
    ends = {"protocol": flow.protocol, "source_port": flow.source_port, "dest_port": flow.dest_port}
    unset = [name for name, value in ends.items() if value is None]
    unset += ["endpoint_slice"] if any(known.is_open for known in slices) else []
    return tuple(dict.fromkeys([*flow.source.missing, *flow.destination.missing, *unset]))


def _namespace(flow: OpenFlow) -> str:
    """The judged side's, as far as its candidates are one."""
    local = flow.source if flow.direction == "egress" else flow.destination
    names = [dict(c.identity.labels).get(NAMESPACE, "") for c in local.candidates if c.identity is not None]
    return _same(names) or ""
