"""The slow, obvious evaluator: what CALICO.md says, one complete flow at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pipeline.identity import Identity, Labels, Slice
from pipeline.match.trace import END_OF_TIER, PROFILE, Hit, HitAction
from pipeline.match.verdict import Decision
from pipeline.policy.policies import (
    MODEL_KINDS,
    Address,
    Direction,
    EntityMatch,
    Network,
    Policies,
    Policy,
    PolicyKey,
    Rule,
    Tier,
)

type Scope = Literal["enforced", "pending", "promoted"] | PolicyKey  # a key: that staged policy alone promoted

ICMP_PROTOCOLS = (1, 58)


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a complete flow; `identity` None: an address that is no endpoint."""

    identity: Identity | None
    address: Address
    domains: tuple[str, ...] = ()  # names that the address was resolved by


@dataclass(frozen=True, slots=True)
class CompleteFlow:
    """A flow of which nothing is missing; for ICMP `dest_port` is type << 8 | code (CALICO.md §6)."""

    source: Party
    destination: Party
    protocol: int
    source_port: int
    dest_port: int
    from_own_host: bool = False  # sent by the host that the destination pod runs on


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A network set with every label that selectors see: its own and its namespace's (CALICO.md §2.6)."""

    labels: Labels
    nets: tuple[Network, ...]
    domains: tuple[str, ...] = ()
