"""The match tables give what the reference gives, whatever the policies and whatever is missing."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.identity import Identity
from pipeline.match.bits import Ints
from pipeline.match.cells import FlowClasses
from pipeline.match.evaluate import Evaluator
from pipeline.match.reference import OpenFlow, judge
from pipeline.match.tables import Tables
from pipeline.match.verdict import Decision, Outcome, TooMany
from tests.pipeline.match.strategies import World, flows, worlds

COMPLETIONS = 2_000
PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck))


def tables_of(world: World, max_cells: int = 100_000) -> Tables:
    sets = [Identity("ns", labelled.labels) for labelled in world.sets]
    return Tables(world.policies, sets, world.slices, max_cells)


def column(values: Iterable[int | None]) -> Ints:
    return np.array([-1 if value is None else value for value in values], np.int64)


def classes_of(given_flows: list[OpenFlow]) -> FlowClasses:
    """The flow class of each."""
    sides = list(dict.fromkeys(side for flow in given_flows for side in (flow.source, flow.destination)))
    return FlowClasses(
        source=column(sides.index(flow.source) for flow in given_flows),
        dest=column(sides.index(flow.destination) for flow in given_flows),
        protocol=column(flow.protocol for flow in given_flows),
        source_port=column(flow.source_port for flow in given_flows),
        dest_port=column(flow.dest_port for flow in given_flows),
        own_host=column(flow.own_host for flow in given_flows),
        sides=sides,
    )


def evaluated(tables: Tables, given_flows: list[OpenFlow]) -> list[Outcome]:
    """The outcomes of flows of one direction, judged as one batch."""
    evaluator = Evaluator(tables)
    found = evaluator.evaluate(given_flows[0].direction, classes_of(given_flows))
    return [evaluator.outcomes[number] for number in found.outcome]


def comparable(outcome: Outcome) -> Outcome:
    """All that both must agree on: the reference names everything missing, the tables what matters."""
    return replace(
        outcome,
        unknown=(),
        staged_deny=tuple(sorted(outcome.staged_deny)),
        staged_allow=tuple(sorted(outcome.staged_allow)),
        staged_unknown=tuple(sorted(outcome.staged_unknown)),
    )


@PATIENT
@given(st.data())
def test_tables_and_reference_agree_on_every_flow_complete_or_not(data):
    world = data.draw(worlds())
    flow = data.draw(flows(world))
    try:
        expected = judge(world.policies, world.sets, world.slices, flow, COMPLETIONS)
    except TooMany:
        assume(False)
    (ours,) = evaluated(tables_of(world), [flow])
    if "contradiction" in ours.unknown:  # no flow can be so: each says that it does not know
        assert ours.enforced == expected.enforced == Decision("unknown")
        return
    assert comparable(ours) == comparable(expected)
    assert set(ours.unknown) <= set(expected.unknown) | {"source_ip", "named_ports"}


@PATIENT
@given(st.data())
def test_a_flow_is_judged_the_same_alone_and_among_others(data):
    world = data.draw(worlds())
    some = data.draw(st.lists(flows(world), min_size=2, max_size=8))
    some = [flow for flow in some if flow.direction == some[0].direction]
    together = evaluated(tables_of(world), some)
    alone = [evaluated(tables_of(world), [flow])[0] for flow in some]
    assert together == alone


@PATIENT
@given(st.data())
def test_above_the_bound_on_cells_nothing_is_claimed(data):
    world = data.draw(worlds())
    flow = data.draw(flows(world))
    (bounded,) = evaluated(tables_of(world, max_cells=1), [flow])
    (exact,) = evaluated(tables_of(world), [flow])
    if "too_many" in bounded.unknown:
        assert {bounded.enforced, bounded.pending, bounded.promoted} == {Decision("unknown")}
    else:  # fewer policies were looked at, so fewer of the missing parts may matter
        assert comparable(bounded) == comparable(exact)
        assert set(bounded.unknown) <= set(exact.unknown)
