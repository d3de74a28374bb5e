"""The plain form of one revision's policies: what the match tables and the reference read."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal, Self, override

import msgspec

from pipeline.policy.packed import packed
from pipeline.policy.selector import Selector

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network
type Direction = Literal["ingress", "egress"]
type Action = Literal["allow", "deny", "pass", "log"]
type PolicyKind = Literal["gnp", "np", "knp", "kcnp", "sgnp", "snp", "sknp"]
type StagedAction = Literal["Set", "Delete", "Learn", "Ignore"]

# The kind that a policy is stored under in Calico: the last part of the tie-break (CALICO.md §2.3).
MODEL_KINDS: dict[PolicyKind, str] = {
    "gnp": "GlobalNetworkPolicy",
    "np": "NetworkPolicy",
    "knp": "KubernetesNetworkPolicy",
    "kcnp": "KubernetesClusterNetworkPolicy",
    "sgnp": "StagedGlobalNetworkPolicy",
    "snp": "StagedNetworkPolicy",
    "sknp": "StagedKubernetesNetworkPolicy",
}
ENFORCED_KINDS: dict[PolicyKind, PolicyKind] = {"sgnp": "gnp", "snp": "np", "sknp": "knp"}


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier; `defined` is False for a name that only policies mention (CALICO.md §1)."""

    name: str
    order: float | None
    default_action: Literal["deny", "pass"]
    defined: bool = True


# What there are tens of thousands of are structs: made, compared and hashed in C.
class PolicyKey(msgspec.Struct, frozen=True, order=True):
    """What names a policy: short kind, namespace ("" for cluster scope), name."""

    kind: PolicyKind
    namespace: str
    name: str

    def __str__(self) -> str:
        """The form of flow-log traces: `np:ns/name`, `gnp:name` (CALICO.md §5.1)."""
        return f"{self.kind}:{self.namespace}/{self.name}" if self.namespace else f"{self.kind}:{self.name}"

    @property
    def staged(self) -> bool:
        return self.kind in ENFORCED_KINDS

    @property
    def twin(self) -> "PolicyKey":
        """The enforced policy whose place a staged one takes when promoted (DESIGN.md §1)."""
        return PolicyKey(ENFORCED_KINDS.get(self.kind, self.kind), self.namespace, self.name)

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return packed(self)


class EntityMatch(msgspec.Struct, frozen=True):
    """What a rule asks of one side of a flow; every part present must hold (CALICO.md §3, §3.1).

    `selector` and `not_selector` are already rewritten as §3.1 says (namespace, service accounts
    folded in; a notSelector beside a positive one merged into it), so `not_selector` is only set
    where it stands alone: any address not held by an object that matches it.
    `ports` are inclusive numeric ranges; a named port is one of the endpoint's own ports.
    """

    selector: Selector | None = None
    not_selector: Selector | None = None
    nets: tuple[Network, ...] = ()
    not_nets: tuple[Network, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    named_ports: tuple[str, ...] = ()
    not_ports: tuple[tuple[int, int], ...] = ()
    not_named_ports: tuple[str, ...] = ()
    service: tuple[str, str] | None = None  # (namespace, name)
    domains: tuple[str, ...] = ()

    @override
    def __reduce__(self) -> str | tuple[type[Self], tuple[Any, ...]]:
        return "ANY_ENTITY" if self is ANY_ENTITY else packed(self)


ANY_ENTITY = EntityMatch()


class Rule(msgspec.Struct, frozen=True):
    """One rule; everything in it is ANDed (CALICO.md §3). Protocols are IANA numbers."""

    action: Action
    source: EntityMatch = ANY_ENTITY
    destination: EntityMatch = ANY_ENTITY
    protocol: int | None = None
    not_protocol: int | None = None
    ip_version: Literal[4, 6] | None = None  # given, or implied by protocol ICMP / ICMPv6 by name
    icmp: tuple[int | None, int | None] | None = None  # (type, code), None = any
    not_icmp: tuple[int | None, int | None] | None = None

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return packed(self)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of any kind. `rules[d]` holds the rules of direction d in their own indexes.

    A direction that is not in `types` is not governed. `selector` is the whole policy-level
    selector of CALICO.md §2.5, ready to evaluate over an endpoint's labels.
    """

    key: PolicyKey
    tier: str
    order: float | None
    selector: Selector
    types: frozenset[Direction]
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    staged_action: StagedAction = "Set"  # only of meaning where key.staged
    workloads: bool = True  # False: doNotTrack or preDNAT, not in workload verdicts (CALICO.md §2.4)

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        return self.ingress if direction == "ingress" else self.egress

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return packed(self)


@dataclass(frozen=True, slots=True)
class NetworkSet:
    """A GlobalNetworkSet (namespace "") or NetworkSet. `labels` are its own plus
    projectcalico.org/namespace; the namespace's inherited labels come from the facts."""

    namespace: str
    name: str
    labels: tuple[tuple[str, str], ...]
    nets: tuple[Network, ...]
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policies:
    """One whole revision: `tiers` and `policies` stand in the order that Calico evaluates them
    (tiers by TierLess, policies by tier and PolKVLess); `revision` names the content."""

    revision: str
    tiers: tuple[Tier, ...] = ()
    policies: tuple[Policy, ...] = ()
    network_sets: tuple[NetworkSet, ...] = field(default=())
