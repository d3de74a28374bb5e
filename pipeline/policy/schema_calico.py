"""What Calico's CRDs and validator take as a tier, policy, network set (CALICO.md §1 to §3)."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from re import compile as regex
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from pipeline.policy.policies import Network, StagedAction
from pipeline.policy.problems import Finding
from pipeline.policy.schema import LabelKey, Manifest, Model, Unique, inside
from pipeline.policy.selector import GLOBAL, Selector, SelectorError, parse

PROTOCOLS = {"ICMP": 1, "TCP": 6, "UDP": 17, "ICMPv6": 58, "SCTP": 132, "UDPLite": 136}
PORT_PROTOCOLS = (6, 17, 132)
PORT_NAME = regex(r"[a-zA-Z0-9_.-]{1,128}\Z")
PORT_RANGE = regex(r"(\d+):(\d+)\Z")
PREFIX = regex(r"[^%]*/\d{1,3}\Z")
NAME = regex(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)?\Z")
BUILT_IN_TIERS: dict[str, tuple[float, Literal["Pass", "Deny"]]] = {
    "kube-admin": (1_000, "Pass"),
    "default": (1_000_000, "Deny"),
    "kube-baseline": (10_000_000, "Pass"),
}


class Protocol(int):
    """An IANA protocol number that remembers whether it was given by name (CALICO.md §3)."""

    named: bool = False


def protocol(value: object) -> Protocol:
    """A protocol by name, or by number 1 to 255 (also as a string)."""
    if isinstance(value, str) and value in PROTOCOLS:
        number = Protocol(PROTOCOLS[value])
        number.named = True
        return number
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 255:
        raise ValueError(f"must be one of {', '.join(PROTOCOLS)} or 1 to 255, not {value!r}")
    return Protocol(value)


def implied_family(given: Protocol | None) -> Literal[4, 6] | None:
    """The IP version that a protocol implies: only ICMP and ICMPv6, and only by name (CALICO.md §3)."""
    if given is None or not given.named:
        return None
    return 4 if given == PROTOCOLS["ICMP"] else 6 if given == PROTOCOLS["ICMPv6"] else None


def port(value: object) -> tuple[int, int] | str:
    """A port, a range "low:high", or a port's name; as an inclusive range or the name."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"must be a port, a range like 8000:8080, or a name, not {value!r}")  # noqa: TRY004
    spread = PORT_RANGE.match(str(value))
    if isinstance(value, str) and not spread and not value.isdecimal():
        return value
    low, high = (int(spread[1]), int(spread[2])) if spread else (int(value), int(value))
    if not 1 <= low <= high <= 65535:
        raise ValueError(f"{value!r} must be a port from 1 to 65535, or a range of them from low to high")
    return low, high


def port_or_name(value: object) -> tuple[int, int] | str:
    """As port(), where a name must be one that a port can have."""
    parsed = port(value)
    if isinstance(parsed, str) and not PORT_NAME.match(parsed):
        raise ValueError(f"{parsed!r} is no port's name: at most 128 letters, digits, '-', '_' and '.'")
    return parsed


def network(value: object) -> Network:
    """A CIDR, masked; an address alone is refused."""
    if not isinstance(value, str) or not PREFIX.match(value):
        raise ValueError(f"must be a CIDR like 10.0.0.0/8, not {value!r}")
    try:
        return ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"must be a CIDR like 10.0.0.0/8, not {value!r}") from None


def network_or_address(value: object) -> Network:
    """A CIDR, or an address as the CIDR of it alone."""
    try:
        return (
            ip_network(ip_address(value)) if isinstance(value, str) and "/" not in value else network(value)
        )
    except ValueError:
        raise ValueError(f"must be an IP address or a CIDR like 10.0.0.0/8, not {value!r}") from None


def address(text: str) -> str:
    """An IP address in its shortest form."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"must be an IP address, not {text!r}") from None


def selector(value: object) -> Selector | None:
    """A selector; None where it is empty, which is as if it were not there."""
    if not isinstance(value, str):
        raise ValueError(f"must be a selector in a string, not {value!r}")  # noqa: TRY004
    try:
        return parse(value) if value else None
    except SelectorError as error:
        raise ValueError(f"{error} in {value!r}") from None


def local_selector(value: object) -> Selector | None:
    """A selector without global()."""
    parsed = selector(value)
    if "global(" in str(value):
        raise ValueError("global() can only be used in a rule's namespaceSelector")
    return parsed


def namespace_selector(value: object) -> Selector | None:
    """A selector that may be global(), and then nothing else."""
    parsed = selector(value)
    if "global(" in str(value) and parsed != GLOBAL:
        raise ValueError("global() must be the whole namespaceSelector")
    return parsed


type ProtocolField = Annotated[Protocol, PlainValidator(protocol)]
type Port = Annotated[tuple[int, int] | str, PlainValidator(port_or_name)]
type Ports = Annotated[list[Port], Field(max_length=50)]
type Net = Annotated[Network, PlainValidator(network)]
type Nets = Annotated[Unique[Net], Field(max_length=256)]
type SetNet = Annotated[Network, PlainValidator(network_or_address)]
type AnySelector = Annotated[Selector | None, PlainValidator(selector)]
type LocalSelector = Annotated[Selector | None, PlainValidator(local_selector)]
type NamespaceSelector = Annotated[Selector | None, PlainValidator(namespace_selector)]
type Action = Literal["Allow", "Deny", "Log", "Pass"]
type Type = Literal["Ingress", "Egress"]
type Text253 = Annotated[str, Field(max_length=253)]


type Address = Annotated[str, AfterValidator(address)]


class ServiceAccounts(Model):
    """The service accounts that a rule matches: by name, and by their labels."""

    names: Unique[str] = Field(default_factory=list)
    selector: AnySelector = None


class Services(Model):
    """The service whose endpoints a rule matches."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    namespace: Text253 = ""


class EntityRule(Model):
    """One side of a rule; every field that is there must match."""

    selector: LocalSelector = None
    not_selector: AnySelector = None
    namespace_selector: NamespaceSelector = None
    service_accounts: ServiceAccounts | None = None
    services: Services | None = None
    nets: Nets = Field(default_factory=list)
    not_nets: Nets = Field(default_factory=list)
    ports: Ports = Field(default_factory=list)
    not_ports: Ports = Field(default_factory=list)
    domains: list[str] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        for index, net in enumerate(self.not_nets):
            if net.prefixlen == 0:
                yield ("notNets", index), f"{net} excludes every address"
        beside = [
            name
            for name, value in {
                "selector": self.selector,
                "notSelector": self.not_selector,
                "namespaceSelector": self.namespace_selector,
                "serviceAccounts": self.service_accounts,
                "nets": self.nets,
                "notNets": self.not_nets,
            }.items()
            if value
        ]
        if self.services and beside:
            yield ("services",), f"cannot stand beside {', '.join(beside)}"


class Icmp(Model):
    """ICMP type and code."""

    type: Annotated[int, Field(ge=0, le=254)] | None = None
    code: Annotated[int, Field(ge=0, le=255)] | None = None

    def checks(self) -> Iterable[Finding]:
        if self.code is not None and self.type is None:
            yield ("code",), "needs a type beside it"


class HttpPath(Model):
    """A path by its whole or by its beginning."""

    exact: Annotated[str, Field(max_length=1024)] | None = None
    prefix: Annotated[str, Field(max_length=1024)] | None = None

    def checks(self) -> Iterable[Finding]:
        given = self.exact or self.prefix or ""
        if bool(self.exact) == bool(self.prefix):
            yield (), "must have either exact or prefix"
        elif not given.startswith("/") or any(character in given for character in "? #"):
            yield (), f"{given!r} must start with '/' and hold no '?', '#' or blank"


class Http(Model):
    """HTTP methods and paths; flow logs say nothing of them, so that they match (CALICO.md §3)."""

    methods: Annotated[Unique[str], Field(max_length=20)] = Field(default_factory=list)
    paths: Annotated[list[HttpPath], Field(max_length=20)] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        for index, item in enumerate(self.paths):
            yield from inside("paths", inside(index, item.checks()))


class RuleMetadata(Model):
    """Annotations of one rule."""

    annotations: dict[LabelKey, str] = Field(default_factory=dict)


class Rule(Model):
    """One rule of a Calico policy."""

    action: Action
    ip_version: Literal[4, 6] | None = None
    protocol: ProtocolField | None = None
    not_protocol: ProtocolField | None = None
    icmp: Icmp | None = None
    not_icmp: Icmp | None = Field(default=None, alias="notICMP")
    source: EntityRule = EntityRule()
    destination: EntityRule = EntityRule()
    http: Http | None = None
    metadata: RuleMetadata | None = None

    def checks(self) -> Iterable[Finding]:
        for name, part in (("source", self.source), ("destination", self.destination)):
            yield from inside(name, part.checks())
        for name, fields in (("icmp", self.icmp), ("notICMP", self.not_icmp), ("http", self.http)):
            if fields:
                yield from inside(name, fields.checks())
        yield from self._port_checks()
        yield from self._family_checks()
        yield from self._application_checks()

    def _port_checks(self) -> Iterable[Finding]:
        if self.protocol in PORT_PROTOCOLS:
            return
        for side, part in (("source", self.source), ("destination", self.destination)):
            for name, ports in (("ports", part.ports), ("notPorts", part.not_ports)):
                only_names = self.protocol is None and all(isinstance(item, str) for item in ports)
                if ports and not only_names:
                    yield (side, name), "needs protocol TCP, UDP or SCTP in the same rule"

    def _family_checks(self) -> Iterable[Finding]:
        family = self.ip_version
        for implied in (self.protocol, self.not_protocol):
            wanted = {1: 4, 58: 6}.get(implied or 0)
            if wanted and family not in (None, wanted):
                yield ("ipVersion",), f"must be {wanted} with protocol {implied}"
        for side, part in (("source", self.source), ("destination", self.destination)):
            for name, nets in (("nets", part.nets), ("notNets", part.not_nets)):
                for index, net in enumerate(nets):
                    family = family or net.version
                    if net.version != family:
                        yield (side, name, index), f"{net} in a rule that is about IPv{family}"

    def _application_checks(self) -> Iterable[Finding]:
        if self.icmp and self.protocol not in (1, 58):
            yield ("icmp",), "needs protocol ICMP or ICMPv6"
        if self.http and self.action != "Allow":
            yield ("http",), "is only for rules with action Allow"
        if self.http and self.protocol not in (None, 6):
            yield ("protocol",), "must be TCP, or not given, beside http"
        if self.destination.services and (self.destination.ports or self.destination.not_ports):
            yield ("destination", "services"), "cannot stand beside ports or notPorts"


type Rules = Annotated[list[Rule], Field(max_length=1024)]


class PolicySpec(Model):
    """What every Calico policy says."""

    tier: str = "default"
    order: float | None = None
    selector: LocalSelector = None
    service_account_selector: LocalSelector = None
    types: Annotated[Unique[Type], Field(max_length=2)] = Field(default_factory=list)
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

    namespace_selector: AnySelector = None
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
    beside = {name for name in spec.model_fields_set if getattr(spec, name)} - {"tier", "staged_action"}
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

    order: float | None = None
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

    nets: Unique[SetNet] = Field(default_factory=list)
    allowed_egress_domains: list[str] = Field(default_factory=list)


class NetworkSet(Manifest):
    """projectcalico.org/v3 NetworkSet and GlobalNetworkSet."""

    spec: NetworkSetSpec = NetworkSetSpec()


class EndpointPort(Model):
    """A port that a host endpoint names."""

    name: Annotated[str, Field(max_length=128)]
    protocol: ProtocolField
    port: Annotated[int, Field(ge=1, le=65535)]

    def checks(self) -> Iterable[Finding]:
        if self.protocol not in PORT_PROTOCOLS:
            yield ("protocol",), "must be TCP, UDP or SCTP"


class HostEndpointSpec(Model):
    """An interface of a host."""

    node: Annotated[str, Field(min_length=1, max_length=253)]
    interface_name: Annotated[str, Field(max_length=15)] = ""
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
