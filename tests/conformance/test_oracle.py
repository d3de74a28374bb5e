"""The reference decides and logs each of Calico's own cases as Calico does."""

import pytest

from pipeline.match.reference import decide
from tests.conformance.oracle import OracleCase, cases


@pytest.fixture(scope="module")
def all_cases() -> list[OracleCase]:
    return list(cases())


def test_every_case_is_there(all_cases):
    assert (len(all_cases), sum(len(case.flows) for case in all_cases)) == (240, 4800)


def test_the_reference_gives_calicos_verdicts_and_traces(all_cases):
    wrong = []
    for case in all_cases:
        for number, one in enumerate(case.flows):
            for direction, expected in one.expected.items():
                enforced, pending = (
                    decide(case.policies, case.sets, case.slices, one.flow, direction, scope)
                    for scope in ("enforced", "pending")
                )
                ours = (enforced.action, enforced.trace, pending.action, pending.trace)
                theirs = (
                    expected.enforced,
                    expected.enforced_trace,
                    expected.pending,
                    expected.pending_trace,
                )
                if ours != theirs:
                    wrong.append((case.id, number, direction, ours, theirs))
    assert wrong == []
