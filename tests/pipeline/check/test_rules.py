"""What is proved of two rules holds for every flow, as the reference matches them."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.check.rules import apart, covers
from pipeline.match.complete import completions
from pipeline.match.reference import CompleteFlow
from pipeline.match.rule import rule_matches
from pipeline.match.verdict import TooMany
from pipeline.policy.policies import Direction, Policies, Policy, PolicyKey, Rule, Tier
from pipeline.policy.selector import ALL
from tests.pipeline.check.variants import pairs
from tests.pipeline.match.strategies import World, flows, labelled, network_sets, slices, some

COMPLETIONS = 400
PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=250)


@st.composite
def worlds_of(draw: st.DrawFn, two: tuple[Rule, Rule], direction: Direction) -> World:
    """Both rules, so that flows meet what they ask for, and sets and services."""
    key = PolicyKey("gnp", "", "p")
    ingress, egress = (two, ()) if direction == "ingress" else ((), two)
    policy = Policy(key, "default", None, ALL, frozenset({direction}), ingress, egress)
    known = tuple(draw(network_sets(name)) for name in draw(some(("s", "t"))))
    policies = Policies("revision", (Tier("default", 1e6, "deny"),), (policy,), known)
    return World(policies, tuple(map(labelled, known)), tuple(draw(st.lists(slices(), max_size=2))))


def matched(world: World, flow: CompleteFlow, direction: Direction, rule: Rule) -> bool:
    return rule_matches(rule, flow, direction, world.sets, world.slices)


def drawn(data: st.DataObject, two: tuple[Rule, Rule], direction: Direction):
    """A world of both rules, and complete flows of it."""
    world = data.draw(worlds_of(two, direction))
    for _ in range(3):
        flow = data.draw(flows(world))
        if flow.direction != direction:
            continue
        try:
            for one in completions(world.policies, world.sets, world.slices, flow, COMPLETIONS):
                yield world, one
        except TooMany:
            continue


@PATIENT
@given(st.data(), st.sampled_from(("ingress", "egress")))
def test_a_rule_that_covers_another_matches_all_that_it_does(data, direction):
    wide, narrow = data.draw(pairs(direction))
    assume(covers(wide, narrow, direction))
    for world, flow in drawn(data, (wide, narrow), direction):
        if matched(world, flow, direction, narrow):
            assert matched(world, flow, direction, wide)


@PATIENT
@given(st.data(), st.sampled_from(("ingress", "egress")))
def test_rules_that_are_apart_never_match_the_same_flow(data, direction):
    one, other = data.draw(pairs(direction))
    assume(apart(one, other))
    for world, flow in drawn(data, (one, other), direction):
        assert not (matched(world, flow, direction, one) and matched(world, flow, direction, other))
