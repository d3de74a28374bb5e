"""Staged policies of which verdicts do not tell all that they would do, and why."""

from collections.abc import Iterator

from pipeline.facts import Facts
from pipeline.policy.policies import Policies, Policy

_WITHOUT_EFFECT = ("Learn", "Ignore")
_NAMED = 3  # hosts


def unjudged_policies(policies: Policies, facts: Facts) -> dict[str, str]:
    """Why, by policy."""
    by_key = {policy.key: policy for policy in policies.policies}
    hosts = list(facts.hosts())
    found = {}
    for policy in policies.policies:
        if policy.key.staged:
            twin = by_key.get(policy.key.twin)
            touched = [*([policy] if policy.staged_action != "Delete" else []), *([twin] if twin else [])]
            names = sorted(
                {host.name for host in hosts for each in touched if each.selector.matches(host.labels)}
            )
            if why := next(_reasons(policy, touched, names), None):
                found[str(policy.key)] = why
    return found


def _reasons(policy: Policy, touched: list[Policy], hosts: list[str]) -> Iterator[str]:
    if policy.staged_action in _WITHOUT_EFFECT:
        yield f"its stagedAction is {policy.staged_action}"
    if not all(each.workloads for each in touched):
        yield "doNotTrack and preDNAT are not"
    if hosts:
        more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
        yield f"it touches host endpoints, too ({', '.join(hosts[:_NAMED])}{more})"
