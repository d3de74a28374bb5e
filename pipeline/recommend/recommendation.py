"""A recommendation: a staged policy with the evidence for it, as topic policy-recommendations carries it."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

VERSION = 1

type Mode = Literal["workload", "namespace"]
type StatusWord = Literal["Learning", "Stabilizing", "Stable", "Stale"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose; the settings FLOWTIER_RECOMMEND_… hold the same."""

    mode: Mode = "workload"
    tier: str = "default"
    order: float = 1500.0  # after Kubernetes' own policies, which have 1000
    intra_namespace: Literal["allow", "pass"] = "allow"
    minimum_connections: int = 1  # of an edge that becomes a rule
    minimum_hours: int = 2  # distinct ones in which it was seen, once its namespace was for a day
    lookback_days: int = 14
    learn_denied: bool = False
    tighten: bool = False
    domains: bool = True  # rules by domain, which open source Calico does not know
    stable_days: int = 7
    stale_days: int = 3
    unseen_share: float = 0.05  # of edges that are estimated not to be seen yet, at most, to be Stable
    held_out_share: float = 0.25  # of the hours, the last ones, that scores are made from


class Evidence(msgspec.Struct, frozen=True):
    """What was seen of a rule's traffic; times are ms since the epoch."""

    connections: int
    bytes: int
    first: int
    last: int
    hours: int  # distinct
    days: int
    examples: list[str]  # ids of documents


class RuleEvidence(msgspec.Struct, frozen=True):
    """One rule of the manifest in words, and why it is there."""

    direction: Literal["ingress", "egress"]
    rule: int  # its index in the manifest
    says: str  # tcp/7070 from workload batch/report-builder
    peer: str  # dns, service, workload, namespace, network_set, host, domain, cidr, private, public
    evidence: Evidence | None  # None where a rule stands for itself: DNS
    widening: str | None = None  # what it admits beyond what was seen
    risk: str | None = None  # why it may not hold: seen on one day only


class SetAside(msgspec.Struct, frozen=True):
    """Traffic that became no rule."""

    says: str
    reason: str
    connections: int


class Status(msgspec.Struct, frozen=True):
    """How far learning has come (DESIGN.md §6, 7)."""

    word: StatusWord
    reason: str
    hours: int  # in which the namespace was seen, of those since the first
    days: int
    hours_of_week: int  # of 168
    unseen_share: float  # estimated, of edges (Chao2 over hours)


class Opened(msgspec.Struct, frozen=True):
    """What a policy admits beyond what was seen: pairs of workloads that never talked, and addresses."""

    pairs: int
    addresses: int
    all_pairs: int  # that no policy at all would admit: the other baseline


class Replay(msgspec.Struct, frozen=True):
    """Later traffic judged under a policy that had not learned from it: connections by verdict."""

    allowed: int
    cut: int
    unknown: int

    @property
    def recall(self) -> float | None:
        """The share that is allowed for certain; None where there was nothing."""
        total = self.allowed + self.cut + self.unknown
        return self.allowed / total if total else None


class Score(msgspec.Struct, frozen=True):
    """A proposal from the hours before `cut_at` (ms since the epoch), replayed on those since."""

    cut_at: int
    replay: Replay
    would_cut: list[str]  # the edges, most connections first
    opened: Opened
    namespace_replay: Replay  # of the policy for the whole namespace, the baseline
    namespace_opened: Opened


class Recommendation(msgspec.Struct, frozen=True):
    """The value of topic policy-recommendations, docs/schemas/policy-recommendations.v1.json.

    `name` is the key, as in traces: snp:namespace/name. `manifest` changes only when the traffic does;
    everything beside it changes all the time.
    """

    name: str
    namespace: str
    mode: Mode
    workloads: list[str]
    manifest: dict[str, Any]
    status: Status
    score: Score | None  # None where there were too few hours to hold any out
    rules: list[RuleEvidence]
    warnings: list[str]
    set_aside: list[SetAside]
    revision: str  # of the policies that it was proposed beside
    learned_from: int  # ms since the epoch
    learned_until: int
    tightens: str | None = None  # the enforced policy inside whose allow it is proposed
    decision: Literal["accept"] | None = None
    v: int = VERSION


class Decision(msgspec.Struct, frozen=True):
    """The value of topic recommendation-decisions, keyed by the recommendation's name.

    A tombstone takes it back. An accepted one stays as `manifest` says, whatever is learned after it; an
    ignored one is not made again.
    """

    name: str
    decision: Literal["accept", "ignore"]
    by: str
    at: int  # ms since the epoch
    reason: str = ""
    manifest: dict[str, Any] | None = None  # of an accepted one
    v: int = VERSION
