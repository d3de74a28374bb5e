"""Promoting every staged policy gives Calico's own pending verdicts, where nothing is replaced or deleted."""

from dataclasses import replace

from pipeline.policy.policies import Policies
from pipeline.policy.promote import promotable, promote
from tests.conformance.oracle import OracleCase, cases
from tests.conformance.test_oracle_tables import _outcomes


def test_promoting_all_gives_calicos_pending_verdicts() -> None:
    wrong, asked = [], 0
    for case in filter(_only_adds, cases()):
        promoted = replace(case, policies=promote(case.policies, promotable(case.policies)))
        for direction in ("ingress", "egress"):
            for one, outcome in zip(*_outcomes(promoted, direction), strict=True):
                asked += 1
                if outcome.enforced.action != one.expected[direction].pending:
                    wrong.append((case.id, one.flow, direction))
    assert (wrong, asked) == ([], 3_984)  # of 126 sets


def _only_adds(case: OracleCase) -> bool:
    """Whether there are staged policies, all of which add one: to Calico each is one more policy."""
    staged = [policy for policy in case.policies.policies if policy.key.staged]
    return bool(staged) and not _has_twins(case.policies) and all(p.staged_action == "Set" for p in staged)


def _has_twins(policies: Policies) -> bool:
    keys = {policy.key for policy in policies.policies}
    return any(key.staged and key.twin in keys for key in keys)
