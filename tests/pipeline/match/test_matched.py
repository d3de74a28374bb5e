"""The rules that match are those that the reference says match, whatever decides and whatever is missing."""

from collections.abc import Iterator

from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.match.complete import completions
from pipeline.match.evaluate import Evaluator
from pipeline.match.matched import MatchedRule
from pipeline.match.reference import CompleteFlow, OpenFlow
from pipeline.match.rule import as_mapping, rule_matches
from pipeline.match.tables import Tables
from pipeline.match.verdict import TooMany
from pipeline.policy.policies import Direction
from tests.pipeline.match.strategies import World, flows, worlds
from tests.pipeline.match.test_evaluate import COMPLETIONS, PATIENT, classes_of, tables_of

type Rules = set[MatchedRule]


def expected(world: World, flow: OpenFlow) -> tuple[Rules, Rules]:
    """The rules that match every completion of a flow, and those that match some only."""
    every = [
        set(matching(world, complete, flow.direction))
        for complete in completions(world.policies, world.sets, world.slices, flow, COMPLETIONS)
    ]
    certain = set.intersection(*every) if every else set[MatchedRule]()
    return certain, set[MatchedRule]().union(*every) - certain


def matching(world: World, flow: CompleteFlow, direction: Direction) -> Iterator[MatchedRule]:
    """The rules that match, of the policies that select the judged endpoint."""
    local = (flow.source if direction == "egress" else flow.destination).identity
    assert local is not None
    if flow.from_own_host:
        return
    for policy in world.policies.policies:
        is_there = policy.workloads and not (policy.key.staged and policy.staged_action == "Delete")
        governs = direction in policy.types and policy.selector.matches(as_mapping(local.labels))
        for number, rule in enumerate(policy.rules(direction) if is_there and governs else ()):
            if rule_matches(rule, flow, direction, world.sets, world.slices):
                yield MatchedRule(direction, policy.tier, str(policy.key), number, policy.key.staged)


def matched(tables: Tables, given_flows: list[OpenFlow]) -> list[tuple[Rules, Rules]]:
    """The rules of flows of one direction, judged as one batch: those certain, those possible."""
    evaluator = Evaluator(tables)
    found = evaluator.evaluate(given_flows[0].direction, classes_of(given_flows))
    sets = evaluator.rule_sets
    both = [sets.ids(number) for number in found.matched.tolist()]
    return [({sets.rules[n] for n in a}, {sets.rules[n] for n in b}) for a, b in both]


@PATIENT
@given(st.data())
def test_the_rules_of_every_flow_are_those_that_the_reference_matches(data):
    world = data.draw(worlds())
    drawn = data.draw(st.lists(flows(world), min_size=1, max_size=4))
    of_direction = [flow for flow in drawn if flow.direction == drawn[0].direction]
    try:
        wanted = [expected(world, flow) for flow in of_direction]
    except TooMany:
        assume(False)
    assert matched(tables_of(world), of_direction) == wanted


@PATIENT
@given(st.data())
def test_flows_with_too_many_completions_count_for_no_rule_that_they_may_not_match(data):
    world = data.draw(worlds())
    flow = data.draw(flows(world))
    try:
        certain, possible = expected(world, flow)
    except TooMany:
        assume(False)
    ((ours, ours_possible),) = matched(tables_of(world, max_cells=2), [flow])
    assert (ours, ours_possible) in ((certain, possible), (set(), set()))
