"""Staged policies that say what their enforced twin says."""

from collections.abc import Iterator
from dataclasses import replace

from pipeline.check.subject import Subject
from pipeline.check.unreachable import DIRECTIONS
from pipeline.policy.policies import Policy
from pipeline.policy.problems import Problem


def equal(subject: Subject) -> Iterator[Problem]:
    """Staged policies, to be set, whose promotion changes nothing."""
    enforced = {p.key: p for p in subject.policies.policies if not p.key.staged}
    for policy in subject.policies.policies:
        twin = enforced.get(policy.key.twin)
        if twin and twin is not policy and policy.staged_action == "Set" and _same(subject, policy, twin):
            place = subject.place(twin.key)
            reason = f"says the same as its enforced twin {twin.key} ({place.file}:{place.item.line_of(())})"
            yield subject.problem(policy, ("metadata", "name"), reason)


def _same(subject: Subject, policy: Policy, twin: Policy) -> bool:
    # What plain policies leave out, http and applyOnForward, is compared as it is written.
    return replace(policy, key=twin.key) == twin and _unsaid(subject, policy) == _unsaid(subject, twin)


def _unsaid(subject: Subject, policy: Policy) -> list[object]:
    spec = subject.document(policy.key)["spec"]
    rules = [rule for direction in DIRECTIONS for rule in spec.get(direction) or ()]
    return [spec.get(name) for name in ("applyOnForward", "preDNAT", "doNotTrack")] + [
        rule.get("http") for rule in rules
    ]
