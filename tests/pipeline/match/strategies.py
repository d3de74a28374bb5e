"""Hypothesis strategies for small worlds of policies and for flows of which something is missing."""

from dataclasses import dataclass

from pipeline.identity import Slice
from pipeline.match.reference import LabelledSet, OpenFlow
from pipeline.policy.policies import Policies

__all__ = ["OpenFlow", "World"]


@dataclass(frozen=True, slots=True)
class World:
    """Policies, and what they are judged against; `sets[i]` is `policies.network_sets[i]` with all its labels."""

    policies: Policies
    sets: tuple[LabelledSet, ...]
    slices: tuple[Slice, ...]
