"""The closed loop: what was proposed is enforced, and flows are judged by the reference evaluator."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from pipeline.decode import decode
from pipeline.facts import Facts
from pipeline.flow import MISSING, REPORTERS, FlowBatch, Message
from pipeline.judge import DIRECTIONS
from pipeline.match.complete import OpenFlow, completions
from pipeline.match.reference import LabelledSet, decide
from pipeline.match.verdict import TooMany
from pipeline.own_host import OPEN
from pipeline.policy.policies import Policies
from pipeline.recommend.recommendation import Recommendation
from pipeline.recommend.score import enforcing
from pipeline.resolve import JUDGED, Resolved, Resolver

COMPLETIONS = 20_000


@dataclass(frozen=True)
class Replayed:
    """Flows with what is enforced on them: allow, deny, unknown, unjudged."""

    batch: FlowBatch
    actions: list[str]


def enforced(policies: Policies, recommendations: Iterable[Recommendation]) -> Policies:
    """The policies in force with what was recommended enforced beside them, nothing staged."""
    own = enforcing(policies, [each.manifest for each in recommendations])
    return replace(own, policies=tuple(each for each in own.policies if not each.key.staged))


def replay(policies: Policies, facts: Facts, messages: list[Message]) -> Replayed:
    """What the reference says of each flow at the side that reported it."""
    batch = decode(messages).batch
    resolved = Resolver(facts, policies).resolve(batch)
    sets = [
        LabelledSet(identity.labels, each.nets, each.domains)
        for each, identity in zip(policies.network_sets, resolved.sets, strict=True)
    ]

    @cache
    def of(namespace: int) -> Policies:
        """The policies that may select something there: others' namespaces cost time and decide nothing."""
        there = ("", resolved.namespaces[namespace])
        return replace(policies, policies=tuple(p for p in policies.policies if p.key.namespace in there))

    @cache
    def action_of(namespace: int, *columns: int) -> str:
        flow, own = _flow(resolved, *columns), of(namespace)
        try:
            complete = completions(own, sets, resolved.slices, flow, COMPLETIONS)
        except TooMany:
            return "unknown"
        decisions = (decide(own, sets, resolved.slices, c, flow.direction, "enforced") for c in complete)
        actions = {decision.action for decision in decisions}
        return actions.pop() if len(actions) == 1 else "unknown"

    columns = (
        resolved.unjudged, resolved.namespace, batch.reporter, resolved.source, resolved.dest, batch.proto,
        batch.source_port, batch.dest_port, resolved.own_host,
    )  # fmt: skip
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return Replayed(batch, [action_of(*row[1:]) if row[0] == JUDGED else "unjudged" for row in rows])


def _flow(
    resolved: Resolved,
    reporter: int,
    source: int,
    dest: int,
    proto: int,
    source_port: int,
    port: int,
    own: int,
) -> OpenFlow:
    protocol, first, last = (None if each == MISSING else each for each in (proto, source_port, port))
    own_host = None if own == OPEN else bool(own)
    direction = DIRECTIONS[REPORTERS[reporter]]
    return OpenFlow(resolved.sides[source], resolved.sides[dest], protocol, first, last, direction, own_host)
