"""What an explanation holds: tiers, policies, rules and their parts, as `--json` gives them."""

from typing import Literal

import msgspec

type Holds = Literal["yes", "no", "depends"]  # depends: on what is missing
type ScopeName = Literal["enforced", "pending", "promoted"]


class PartExplained(msgspec.Struct, frozen=True):
    """One part of a rule: what it asks for, what the flow has; several where something is missing."""

    part: str
    holds: Holds
    asks: str
    has: tuple[str, ...]


class RuleExplained(msgspec.Struct, frozen=True):
    """A rule by its index in traces. `decides`: the scopes in which it is its tier's first that matches;
    `reached`: those in which it was tried at all."""

    rule: int
    action: str
    says: str
    matches: Holds
    reached: tuple[ScopeName, ...]
    decides: tuple[ScopeName, ...]
    parts: tuple[PartExplained, ...]


class PolicyExplained(msgspec.Struct, frozen=True):
    """A policy. `selects` the judged endpoint, by `selector`; `has` are the endpoint's labels, those that
    miss where it does not. `scopes` evaluate it. `ends`: those in which the tier ended without a match
    and its default action bears this policy's name."""

    policy: str
    staged_action: str | None
    order: float | None
    selects: Holds
    selector: str
    has: tuple[str, ...]
    scopes: tuple[ScopeName, ...]
    ends: tuple[ScopeName, ...]
    rules: tuple[RuleExplained, ...]


class TierExplained(msgspec.Struct, frozen=True):
    """A tier with the policies that may select the endpoint. `results`: what it does in each scope in which
    it is reached and applies: allow, deny, pass, several of them where that depends on what is missing."""

    tier: str
    order: float | None
    default_action: str
    results: dict[ScopeName, tuple[str, ...]]
    policies: tuple[PolicyExplained, ...]


class WayExplained(msgspec.Struct, frozen=True):
    """Completions of what is missing that get the same actions: how many, and one of them."""

    actions: dict[ScopeName, str]
    count: int
    example: dict[str, str]


class Explained(msgspec.Struct, frozen=True):
    """One direction of one flow. `actions`: of each scope allow, deny or unknown.

    `completions` of what is missing were tried; `bounded`: not all that there are. `ways`: where they get
    different actions, those that do. `profile` allows at the end; None = none does. `others`: policies of
    this direction that do not select the endpoint, without their rules.
    """

    actions: dict[ScopeName, str]
    completions: int
    bounded: bool
    ways: tuple[WayExplained, ...]
    tiers: tuple[TierExplained, ...]
    profile: str | None
    others: tuple[PolicyExplained, ...]
