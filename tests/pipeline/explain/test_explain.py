"""What is explained is what the tables decide, and each rule matches as the reference has it."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.match.complete import completions
from pipeline.match.explain import SCOPES, explain
from pipeline.match.rule import rule_matches
from pipeline.match.verdict import TooMany
from tests.pipeline.match.strategies import flows, worlds
from tests.pipeline.match.test_evaluate import evaluated, tables_of

PATIENT = settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
MOST = 300


def explained(data):
    world = data.draw(worlds())
    flow = data.draw(flows(world))
    found = explain(world.policies, world.sets, world.slices, flow, MOST)
    assume(not found.bounded)
    return world, flow, found


@PATIENT
@given(st.data())
def test_the_action_and_the_rule_that_decides_are_those_of_the_tables(data):
    world, flow, found = explained(data)
    (outcome,) = evaluated(tables_of(world), [flow])
    decided = [each for each in (outcome.enforced, outcome.pending, outcome.promoted) if each]
    decisions = dict(zip(SCOPES, decided, strict=True))
    assert found.actions == {scope: decision.action for scope, decision in decisions.items()}
    for scope, decision in decisions.items():
        if decision.rule is not None and not str(decision.policy).startswith("pro:"):
            (policy,) = [p for t in found.tiers for p in t.policies if p.policy == decision.policy]
            if decision.rule < 0:
                assert scope in policy.ends
            else:
                assert scope in policy.rules[decision.rule].decides


@PATIENT
@given(st.data())
def test_every_rule_matches_as_the_reference_has_it(data):
    world, flow, found = explained(data)
    try:
        every = list(completions(world.policies, world.sets, world.slices, flow, 10 * MOST))
    except TooMany:
        assume(False)
    assume(every)
    policies = {str(policy.key): policy for policy in world.policies.policies}
    for said in (policy for tier in found.tiers for policy in tier.policies):
        for rule, one in zip(policies[said.policy].rules(flow.direction), said.rules, strict=True):
            answers = {rule_matches(rule, c, flow.direction, world.sets, world.slices) for c in every}
            assert one.matches == ("depends" if len(answers) > 1 else "yes" if answers.pop() else "no")
            missed = [part for part in one.parts if part.holds != "yes"]
            assert bool(missed) == (one.matches != "yes")


@PATIENT
@given(st.data())
def test_the_ways_are_there_exactly_where_an_action_is_unknown(data):
    _, _, found = explained(data)
    assert bool(found.ways) == (found.completions > 0 and "unknown" in found.actions.values())
    assert sum(way.count for way in found.ways) in (0, found.completions)
    assert all(way.example for way in found.ways)
