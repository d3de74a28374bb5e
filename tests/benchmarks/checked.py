"""Verdicts of a benchmark held against the reference, so that no speed comes from skipping work."""

from pipeline.match.cells import FlowClasses
from pipeline.match.reference import CompleteFlow, LabelledSet, Party, Scope, decide
from pipeline.match.verdict import Outcome
from pipeline.policy.policies import Direction, Policies, PolicyKey

SETS: tuple[LabelledSet, ...] = ()


def differences(
    policies: Policies, direction: Direction, classes: FlowClasses, number: int, outcome: Outcome
) -> list[str]:
    """What the reference says otherwise of one class, of which nothing is missing: every scope, and all
    staged policies that select its endpoint or are said to have an effect."""
    flow = _complete(classes, number)
    expected = {scope: decide(policies, SETS, (), flow, direction, scope) for scope in SCOPES}
    ours = (outcome.enforced, outcome.pending, outcome.promoted)
    wrong = [f"{scope}: {own}" for scope, own in zip(SCOPES, ours, strict=True) if own != expected[scope]]
    said = {*outcome.staged_deny, *outcome.staged_allow}
    for key in _some_staged(policies, flow, direction, said):
        changes = decide(policies, SETS, (), flow, direction, key).action != expected["enforced"].action
        if changes and direction == "egress" and expected["enforced"].action == "deny":
            changes = decide(policies, SETS, (), flow, "ingress", key).action == "allow"
        if changes is not (str(key) in said):
            wrong.append(f"{key} alone: {changes}")
    return wrong


SCOPES: tuple[Scope, ...] = ("enforced", "pending", "promoted")
STAGED = 5  # those without an effect that are looked at


def _some_staged(
    policies: Policies, flow: CompleteFlow, direction: Direction, said: set[str]
) -> list[PolicyKey]:
    identity = (flow.source if direction == "egress" else flow.destination).identity
    labels = dict(identity.labels) if identity else {}
    staged = [p for p in policies.policies if p.key.staged and p.selector.matches(labels)]
    without = [p.key for p in staged if str(p.key) not in said]
    spread = without[:: max(1, len(without) // STAGED)][:STAGED]
    return spread + [p.key for p in policies.policies if str(p.key) in said]


def _complete(classes: FlowClasses, number: int) -> CompleteFlow:
    ends = []
    for column in (classes.source, classes.dest):
        (candidate,) = classes.sides[int(column[number])].candidates
        ends.append(Party(candidate.identity, candidate.addresses[0].network_address))
    protocol, source_port, dest_port = (
        max(0, int(column[number])) for column in (classes.protocol, classes.source_port, classes.dest_port)
    )
    return CompleteFlow(ends[0], ends[1], protocol, source_port, dest_port)
