"""The reference decides and logs each of Calico's own cases as Calico does."""

from pipeline.match.reference import decide
from tests.conformance.oracle import cases


def test_every_case_is_there():
    flows = [flow for case in cases() for flow in case.flows]
    assert (len(cases()), len(flows), sum(len(flow.expected) for flow in flows)) == (240, 4800, 7557)


def test_the_reference_gives_calicos_verdicts_and_traces():
    wrong = []
    for case in cases():
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
