"""A proposal: a policy with the edges that each of its rules is there for, before it is written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.policy.policies import Direction
from pipeline.recommend.learned import NONE, EdgeKey, Seen
from pipeline.recommend.peers import Peer
from pipeline.recommend.recommendation import Mode, SetAside
from pipeline.recommend.widen import Ports

DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
WITH_PORTS = (6, 17, 132)
ICMP = (1, 58)
TCP, UDP = 6, 17

type RuleAction = Literal["Allow", "Pass", "Deny"]


@dataclass(frozen=True, slots=True)
class ProposedRule:
    """One rule, with the edges that it is there for; none for what stands for itself."""

    direction: Direction
    action: RuleAction
    protocol: int  # NONE = any
    ports: Ports | None  # of ICMP: type and code as the record has them; None = any
    peer: Peer | None  # None = anyone
    seen: Mapping[EdgeKey, Seen] = field(default_factory=dict)

    @property
    def order(self) -> tuple[object, ...]:
        ports = (self.ports.first, self.ports.last) if self.ports else (NONE, NONE)
        return *(self.peer.order if self.peer else (99, "", "")), self.protocol, ports


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy before it is written down; `selector` None = the whole namespace."""

    namespace: str
    name: str
    mode: Mode
    workloads: tuple[str, ...]
    selector: str | None
    types: tuple[Direction, ...]
    rules: tuple[ProposedRule, ...]
    tier: str
    order: float
    edges: Mapping[EdgeKey, Seen]  # of its workloads, in the directions that it governs
    set_aside: tuple[SetAside, ...] = ()
    warnings: tuple[str, ...] = ()
    tightens: str | None = None
