"""What a node logs of its own verdict on an edge, worked out by the reference evaluator."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import orjson

from deploy.demo.edges import Edge
from pipeline.match.reference import CompleteFlow, LabelledSet, decide
from pipeline.policy.policies import Direction, Policies

PROTOCOLS = {"tcp": 6, "udp": 17}
_SOURCE_PORT = 40_000  # no policy of the sample asks for it


@dataclass(frozen=True, slots=True)
class Logged:
    """A record's `action`, and its `policies` as JSON: null where no policy was asked."""

    action: str
    policies: bytes


type Judge = Callable[[Edge, Direction], Logged | None]


def judge_by(policies: Policies) -> Judge:
    """The node's judge under one revision: None for an end that no node reports.

    All ends of a party have the same identity but for their own names, and the sample's policies do
    not tell these apart, so that the first pair speaks for the edge.
    """
    sets = tuple(LabelledSet(s.labels, s.nets, s.domains) for s in policies.network_sets)

    @cache
    def logged(flow: CompleteFlow, direction: Direction) -> Logged:
        # No policy of the sample names a service, so that there are no slices to tell of.
        enforced = decide(policies, sets, (), flow, direction, "enforced")
        if flow.from_own_host:
            return Logged(enforced.action, b"null")
        pending = decide(policies, sets, (), flow, direction, "pending")
        traces = {"enforced_policies": enforced.trace, "pending_policies": pending.trace}
        return Logged(enforced.action, orjson.dumps(traces))

    def judge(edge: Edge, direction: Direction) -> Logged | None:
        source, dest = edge.sources[0], edge.dests[0]
        if (source if direction == "egress" else dest).node is None:
            return None
        protocol = PROTOCOLS[edge.talk.protocol]
        flow = CompleteFlow(
            source.party, dest.party, protocol, _SOURCE_PORT, edge.talk.port, from_own_host=edge.own_host
        )
        return logged(flow, direction)

    return judge
