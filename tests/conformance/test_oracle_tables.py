"""The match tables decide and log each of Calico's own cases as Calico does."""

from collections.abc import Iterable
from ipaddress import ip_network

import numpy as np
import pytest

from pipeline.identity import Candidate, Identity, Side
from pipeline.match.bits import Ints
from pipeline.match.cells import FlowClasses
from pipeline.match.evaluate import Evaluator
from pipeline.match.reference import Party
from pipeline.match.tables import Tables
from tests.conformance.oracle import OracleCase, cases


@pytest.fixture(scope="module")
def all_cases() -> list[OracleCase]:
    return list(cases())


def _side(party: Party) -> Side:
    return Side((Candidate(party.identity, (ip_network(party.address),)),))


def column(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)


def _outcomes(case: OracleCase, direction):
    flows = [one for one in case.flows if direction in one.expected]
    sides = list(dict.fromkeys(_side(p) for one in flows for p in (one.flow.source, one.flow.destination)))
    classes = FlowClasses(
        source=column(sides.index(_side(one.flow.source)) for one in flows),
        dest=column(sides.index(_side(one.flow.destination)) for one in flows),
        protocol=column(one.flow.protocol for one in flows),
        source_port=column(one.flow.source_port for one in flows),
        dest_port=column(one.flow.dest_port for one in flows),
        own_host=column(0 for _ in flows),
        sides=sides,
    )
    sets = [Identity("ns", labelled.labels) for labelled in case.sets]
    evaluator = Evaluator(Tables(case.policies, sets, case.slices))
    found = evaluator.evaluate(direction, classes)
    return flows, [evaluator.outcomes[number] for number in found.outcome]


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_the_tables_give_calicos_verdicts_and_traces(all_cases, direction):
    wrong = []
    for case in all_cases:
        flows, outcomes = _outcomes(case, direction)
        for one, outcome in zip(flows, outcomes, strict=True):
            expected = one.expected[direction]
            enforced, pending = outcome.enforced, outcome.pending
            ours = (enforced.action, enforced.trace, pending.action, pending.trace)
            theirs = (expected.enforced, expected.enforced_trace, expected.pending, expected.pending_trace)
            if ours != theirs:
                wrong.append((case.id, one.flow, ours, theirs))
    assert wrong == []
