"""Hypothesis strategies for small worlds of policies and for flows of which something is missing."""

from dataclasses import dataclass

from pipeline.identity import Side, Slice
from pipeline.match.reference import LabelledSet
from pipeline.policy.policies import Direction, Policies


@dataclass(frozen=True, slots=True)
class World:
    """Policies, and what they are judged against; `sets[i]` is `policies.network_sets[i]` with all its labels."""

    policies: Policies
    sets: tuple[LabelledSet, ...]
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class OpenFlow:
    """A flow as far as it is known; None = missing, may be anything."""

    source: Side
    destination: Side
    protocol: int | None
    source_port: int | None
    dest_port: int | None  # for ICMP: type << 8 | code
    direction: Direction
    own_host: bool | None  # of ingress: sent by the destination pod's own host
