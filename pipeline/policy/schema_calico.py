"""What Calico's CRDs and validator take as a tier, policy, network set, host endpoint (CALICO.md §1, §2)."""

from collections.abc import Iterable
from re import compile as regex
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.policy.policies import StagedAction
from pipeline.policy.problems import Finding
from pipeline.policy.schema import Manifest, Model, Unique, inside
from pipeline.policy.schema_fields import (
    PORT_PROTOCOLS,
    Address,
    LocalSelector,
    Net,
    ProtocolField,
)
from pipeline.policy.schema_rules import Rules

INTERFACE = regex(r"[a-zA-Z0-9_.-]{1,15}\Z")
TIER_NAME = regex(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
NAME = regex(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)?\Z")
BUILT_IN_TIERS: dict[str, tuple[float, Literal["Pass", "Deny"]]] = {
    "kube-admin": (1_000, "Pass"),
    "default": (1_000_000, "Deny"),
    "kube-baseline": (10_000_000, "Pass"),
}

type Order = Annotated[float, Field(allow_inf_nan=False)] | None
type Type = Literal["Ingress", "Egress"]


def tier_name(text: str) -> str:
    """A DNS label of at most 63 characters; empty as if it were not there."""
    if text and (len(text) > 63 or not TIER_NAME.match(text)):
        raise ValueError(f"tier {text[:80]!r} must be lower case letters, digits and '-', at most 63")
    return text


def interface(text: str) -> str:
    """An interface of a host, "*" for all of them; empty as if it were not there."""
    if text and text != "*" and not INTERFACE.match(text):
        raise ValueError(f"{text[:80]!r} is no interface: at most 15 letters, digits, '-', '_' and '.', or *")
    return text


class PolicySpec(Model):
    """What every Calico policy says."""

    tier: Annotated[str, AfterValidator(tier_name)] = "default"
    order: Order = None
    selector: LocalSelector = None
    service_account_selector: LocalSelector = None
    types: Annotated[Unique[Type], Field(min_length=1, max_length=2)] = Field(default_factory=list)
    ingress: Rules = Field(default_factory=list)
    egress: Rules = Field(default_factory=list)
    performance_hints: Unique[Literal["AssumeNeededOnEveryNode"]] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        for name, rules in (("ingress", self.ingress), ("egress", self.egress)):
            for index, rule in enumerate(rules):
                yield from inside(name, inside(index, rule.checks()))
        for index, rule in enumerate(self.ingress):
            if rule.destination.services:
                yield ("ingress", index, "destination", "services"), "is only for the source of ingress rules"
        for index, rule in enumerate(self.egress):
            if rule.source.services:
                yield ("egress", index, "source", "services"), "is only for the destination of egress rules"
            if rule.http:
                yield ("egress", index, "http"), "is not allowed in egress rules"


class GlobalPolicySpec(PolicySpec):
    """What a policy of the whole cluster says beyond that."""

    namespace_selector: LocalSelector = None
    do_not_track: bool = False
    pre_dnat: bool = Field(default=False, alias="preDNAT")
    apply_on_forward: bool = False

    def checks(self) -> Iterable[Finding]:
        yield from super().checks()
        if self.pre_dnat and self.do_not_track:
            yield ("preDNAT",), "cannot stand beside doNotTrack"
        if (self.pre_dnat or self.do_not_track) and not self.apply_on_forward:
            yield ("applyOnForward",), "must be true with preDNAT or doNotTrack"
        if self.pre_dnat and self.egress:
            yield ("egress",), "is not allowed with preDNAT"
        if self.pre_dnat and "Egress" in self.types:
            yield ("types",), "cannot name Egress with preDNAT"
        services = [("ingress", index, rule.source, "source") for index, rule in enumerate(self.ingress)]
        services += [
            ("egress", index, rule.destination, "destination") for index, rule in enumerate(self.egress)
        ]
        for direction, index, part, side in services:
            if part.services and not part.services.namespace:
                yield (direction, index, side, "services", "namespace"), "required in a global policy"


class Staged(Model):
    """What a staged policy is to do with its enforced twin."""

    staged_action: StagedAction | Literal[""] = "Set"


class StagedPolicySpec(PolicySpec, Staged):
    """A staged policy of one namespace."""

    def checks(self) -> Iterable[Finding]:
        yield from super().checks()
        yield from _only_deletes(self)


class StagedGlobalPolicySpec(GlobalPolicySpec, Staged):
    """A staged policy of the whole cluster."""

    def checks(self) -> Iterable[Finding]:
        yield from super().checks()
        yield from _only_deletes(self)


def _only_deletes(spec: StagedPolicySpec | StagedGlobalPolicySpec) -> Iterable[Finding]:
    # Types: Calico's admission gives them to every policy that does not say them.
    beside = {name for name in spec.model_fields_set if getattr(spec, name)}
    beside -= {"tier", "types", "staged_action"}
    if spec.staged_action == "Delete" and beside:
        yield ("stagedAction",), "Delete leaves nothing else to say but the tier"


class NetworkPolicy(Manifest):
    """projectcalico.org/v3 NetworkPolicy."""

    spec: PolicySpec

    def checks(self) -> Iterable[Finding]:
        yield from _name_checks(self.metadata.name, kubernetes_prefix=True)
        yield from inside("spec", self.spec.checks())


class StagedNetworkPolicy(NetworkPolicy):
    """projectcalico.org/v3 StagedNetworkPolicy."""

    spec: StagedPolicySpec


class GlobalNetworkPolicy(Manifest):
    """projectcalico.org/v3 GlobalNetworkPolicy."""

    spec: GlobalPolicySpec

    def checks(self) -> Iterable[Finding]:
        yield from _name_checks(self.metadata.name, kubernetes_prefix=False)
        yield from inside("spec", self.spec.checks())


class StagedGlobalNetworkPolicy(GlobalNetworkPolicy):
    """projectcalico.org/v3 StagedGlobalNetworkPolicy."""

    spec: StagedGlobalPolicySpec


def _name_checks(name: str, *, kubernetes_prefix: bool) -> Iterable[Finding]:
    if not NAME.match(name) and not (kubernetes_prefix and name.startswith("knp.default.")):
        yield ("metadata", "name"), f"name {name!r} must be one DNS label, or two with a '.' between"
    if name.startswith("knp.default.") and not kubernetes_prefix:
        yield ("metadata", "name"), "the prefix knp.default. is kept for Kubernetes policies"


class TierSpec(Model):
    """Where a tier stands, and what it does at its end."""

    order: Order = None
    default_action: Literal["Pass", "Deny"] = "Deny"


class Tier(Manifest):
    """projectcalico.org/v3 Tier."""

    spec: TierSpec

    def checks(self) -> Iterable[Finding]:
        name = self.metadata.name
        if "." in name or len(name) > 63:
            yield ("metadata", "name"), f"name {name[:80]!r} must be one DNS label of at most 63 characters"
        order, action = BUILT_IN_TIERS.get(name, (self.spec.order, self.spec.default_action))
        if self.spec.order != order:
            yield ("spec", "order"), f"of the built-in tier {name} must be {order:.0f}"
        if self.spec.default_action != action:
            yield ("spec", "defaultAction"), f"of the built-in tier {name} must be {action}"


class NetworkSetSpec(Model):
    """Addresses under one name."""

    nets: list[Net] = Field(default_factory=list)
    allowed_egress_domains: list[str] = Field(default_factory=list)


class NetworkSet(Manifest):
    """projectcalico.org/v3 NetworkSet and GlobalNetworkSet."""

    spec: NetworkSetSpec = Field(default_factory=NetworkSetSpec)


class EndpointPort(Model):
    """A port that a host endpoint names."""

    name: Annotated[str, Field(max_length=128)]
    protocol: ProtocolField
    port: Annotated[int, Field(ge=1, le=65535)]

    def checks(self) -> Iterable[Finding]:
        if self.protocol.number not in PORT_PROTOCOLS:
            yield ("protocol",), "must be TCP, UDP or SCTP"


class HostEndpointSpec(Model):
    """An interface of a host."""

    node: Annotated[str, Field(min_length=1, max_length=253)]
    interface_name: Annotated[str, AfterValidator(interface)] = ""
    expected_ips: Unique[Address] = Field(default_factory=list, alias="expectedIPs")
    profiles: Unique[str] = Field(default_factory=list)
    ports: list[EndpointPort] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        if not self.interface_name and not self.expected_ips:
            yield (), "must have an interfaceName, or expectedIPs"
        for index, item in enumerate(self.ports):
            yield from inside("ports", inside(index, item.checks()))


class HostEndpoint(Manifest):
    """projectcalico.org/v3 HostEndpoint."""

    spec: HostEndpointSpec

    def checks(self) -> Iterable[Finding]:
        yield from inside("spec", self.spec.checks())
