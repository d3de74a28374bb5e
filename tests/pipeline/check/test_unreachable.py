"""What is called unreachable is hit by no flow, in no evaluation, whatever the policies are."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from random import Random

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.check.unreachable import DIRECTIONS, Exceptions, Search, Unreachable
from pipeline.match.reference import CompleteFlow, Scope, decide
from pipeline.policy.policies import Direction, Policies, Policy, Rule
from pipeline.policy.selector import ALL
from tests.pipeline.check.test_rules import every_flow
from tests.pipeline.match.strategies import World, worlds

FLOWS = 100  # of each world, of those that the small cluster of test_rules.py has


@st.composite
def repetitive_worlds(draw: st.DrawFn) -> World:
    """Worlds whose policies say much twice, so that a good part of it can never be reached."""
    world = draw(worlds())
    written = world.policies.policies
    plenty = [policy for policy in written if draw(st.booleans())]

    def more(policy: Policy, direction: Direction) -> tuple[Rule, ...]:
        if policy.staged_action == "Delete":
            return ()
        pool = [rule for other in written for rule in other.rules(direction)]
        pool += [Rule("allow"), Rule("deny"), Rule("pass"), Rule("pass"), Rule("log")]
        rules = draw(st.lists(st.sampled_from(pool), max_size=2))
        return (
            (*policy.rules(direction), *rules) if draw(st.booleans()) else (*rules, *policy.rules(direction))
        )

    policies = tuple(
        replace(
            policy,
            ingress=more(policy, "ingress"),
            egress=more(policy, "egress"),
            selector=ALL if policy in plenty and not policy.key.namespace else policy.selector,
        )
        for policy in written
    )
    return replace(world, policies=replace(world.policies, policies=policies))


def unreachable_in(policies: Policies) -> list[Unreachable]:
    return list(Search(policies, Exceptions()).all())


def hits(world: World, flow: CompleteFlow, direction: Direction) -> Iterator[tuple[str, int]]:
    """(policy, rule) of every hit in any evaluation."""
    staged = [policy.key for policy in world.policies.policies if policy.key.staged]
    scopes: list[Scope] = ["enforced", "pending", "promoted", *staged]
    for scope in scopes:
        decision = decide(world.policies, world.sets, world.slices, flow, direction, scope)
        for hit in decision.trace:
            _, _, policy, _, rule = hit.split("|")
            yield policy, int(rule)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=50)
@given(repetitive_worlds(), st.integers())
def test_no_flow_hits_what_is_called_unreachable(world, seed):
    claims = unreachable_in(world.policies)
    assume(claims)
    for flow, direction in product(Random(seed).sample(every_flow(), FLOWS), DIRECTIONS):
        local = flow.source if direction == "egress" else flow.destination
        if local.identity is None:
            continue
        reached = set(hits(world, flow, direction))
        policies_reached = {policy for policy, _ in reached}
        for claim in claims:
            if claim.direction == direction:
                key = str(claim.policy.key)
                assert key not in policies_reached if claim.rule is None else (key, claim.rule) not in reached
