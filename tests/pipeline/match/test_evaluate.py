"""The match tables give what the reference gives, whatever the policies and whatever is missing."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.identity import Identity
from pipeline.match.cells import FlowClasses
from pipeline.match.evaluate import Evaluator
from pipeline.match.reference import OpenFlow, TooMany, judge
from pipeline.match.tables import Tables
from pipeline.match.verdict import Decision, Outcome
from tests.pipeline.match.strategies import World, flows, worlds

COMPLETIONS = 2_000
PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck))


def tables_of(world: World, max_cells: int = 100_000) -> Tables:
    sets = [Identity("ns", labelled.labels) for labelled in world.sets]
    return Tables(world.policies, sets, world.slices, max_cells)


def evaluated(tables: Tables, given_flows: list[OpenFlow]) -> list[Outcome]:
    """The outcomes of flows of one direction, judged as one batch."""
    sides = list(dict.fromkeys(side for flow in given_flows for side in (flow.source, flow.destination)))
    columns = [
        [sides.index(flow.source) for flow in given_flows],
        [sides.index(flow.destination) for flow in given_flows],
        *(
            [-1 if value is None else value for value in column]
            for column in zip(*((f.protocol, f.source_port, f.dest_port) for f in given_flows), strict=True)
        ),
        [-1 if flow.own_host is None else int(flow.own_host) for flow in given_flows],
    ]
    evaluator = Evaluator(tables)
    arrays = [np.array(column, np.int64) for column in columns]
    found = evaluator.evaluate(given_flows[0].direction, FlowClasses(*arrays, sides))
    return [evaluator.outcomes[number] for number in found]


def comparable(outcome: Outcome) -> Outcome:
    """All that both must agree on: the reference names everything missing, the tables what matters."""
    staged = {
        name: tuple(sorted(getattr(outcome, name)))
        for name in ("staged_deny", "staged_allow", "staged_unknown")
    }
    return replace(outcome, unknown=(), **staged)


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
        assert {bounded.enforced.action, bounded.pending.action, bounded.promoted.action} == {"unknown"}
    else:
        assert bounded == exact
