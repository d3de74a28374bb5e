"""What Kubernetes takes as a NetworkPolicy or ClusterNetworkPolicy (CALICO.md §3.2)."""

from collections.abc import Iterable
from re import compile as regex
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from pipeline.policy.policies import StagedAction
from pipeline.policy.problems import Finding
from pipeline.policy.schema import LabelKey, LabelValue, Manifest, Model, Unique, inside
from pipeline.policy.schema_fields import Cidr, port

type Type = Literal["Ingress", "Egress"]
type PortNumber = Annotated[int, Field(ge=1, le=65535)]
type IntOrName = Annotated[tuple[int, int] | str, PlainValidator(port_or_name)]

PORT_NAME = regex(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?\Z")


def port_or_name(value: object) -> tuple[int, int] | str:
    """A port, or the name that a container's port may have."""
    if not isinstance(value, str):
        return port(value)
    if not PORT_NAME.match(value):
        raise ValueError(f"{value!r} is no port's name: at most 15 of a-z, 0-9, '-'; a number has no quotes")
    return value


class Expression(Model):
    """One requirement on one label."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[LabelValue] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        if bool(self.values) != (self.operator in ("In", "NotIn")):
            yield ("values",), f"must {'be empty' if self.values else 'not be empty'} with {self.operator}"


class LabelSelector(Model):
    """Labels and requirements, all of which must hold."""

    match_labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    match_expressions: list[Expression] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        for index, expression in enumerate(self.match_expressions):
            yield from inside("matchExpressions", inside(index, expression.checks()))


class IpBlock(Model):
    """A network, and the parts of it that are left out."""

    cidr: Cidr
    except_: list[Cidr] = Field(default_factory=list, alias="except")

    def checks(self) -> Iterable[Finding]:
        for index, net in enumerate(self.except_):
            inside_ = net.version == self.cidr.version and net.subnet_of(self.cidr)  # type: ignore[arg-type]
            if not inside_ or net == self.cidr:
                yield ("except", index), f"{net} must be a part of {self.cidr}"


class Peer(Model):
    """Pods, by their labels and those of their namespace, or a network."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None

    def checks(self) -> Iterable[Finding]:
        for name, part in (
            ("podSelector", self.pod_selector),
            ("namespaceSelector", self.namespace_selector),
        ):
            if part:
                yield from inside(name, part.checks())
        if self.ip_block:
            yield from inside("ipBlock", self.ip_block.checks())
        if self.ip_block and (self.pod_selector or self.namespace_selector):
            yield ("ipBlock",), "cannot stand beside podSelector or namespaceSelector"
        if not self.model_fields_set:
            yield (), "must have a podSelector, a namespaceSelector or an ipBlock"


class PolicyPort(Model):
    """A port (number or name) or a range of ports, of one protocol."""

    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    port: IntOrName | None = None
    end_port: PortNumber | None = None

    def checks(self) -> Iterable[Finding]:
        if self.end_port and not (isinstance(self.port, tuple) and self.port[0] <= self.end_port):
            yield ("endPort",), "needs a numeric port beside it that is not above it"


class IngressRule(Model):
    """Who may come in, and to which ports."""

    from_: list[Peer] = Field(default_factory=list, alias="from")
    ports: list[PolicyPort] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        yield from _each("from", self.from_)
        yield from _each("ports", self.ports)


class EgressRule(Model):
    """Where pods may go, and to which ports."""

    to: list[Peer] = Field(default_factory=list)
    ports: list[PolicyPort] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        yield from _each("to", self.to)
        yield from _each("ports", self.ports)


def _each(name: str, parts: Iterable[Model]) -> Iterable[Finding]:
    for index, part in enumerate(parts):
        yield from inside(name, inside(index, part.checks()))


class NetworkPolicySpec(Model):
    """What a Kubernetes NetworkPolicy says; no podSelector is as an empty one: all pods."""

    pod_selector: LabelSelector = Field(default_factory=LabelSelector)
    policy_types: Annotated[Unique[Type], Field(max_length=2)] = Field(default_factory=list)
    ingress: list[IngressRule] = Field(default_factory=list)
    egress: list[EgressRule] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        yield from inside("podSelector", self.pod_selector.checks())
        yield from _each("ingress", self.ingress)
        yield from _each("egress", self.egress)


class NetworkPolicy(Manifest):
    """networking.k8s.io/v1 NetworkPolicy."""

    spec: NetworkPolicySpec

    def checks(self) -> Iterable[Finding]:
        yield from inside("spec", self.spec.checks())


class StagedNetworkPolicySpec(NetworkPolicySpec):
    """The same with what is to be done with the enforced twin."""

    staged_action: StagedAction | Literal[""] = "Set"

    def checks(self) -> Iterable[Finding]:
        yield from super().checks()
        beside = {name for name in self.model_fields_set if getattr(self, name)} - {"staged_action"}
        if self.staged_action == "Delete" and beside - {"pod_selector", "policy_types"}:
            yield ("stagedAction",), "Delete leaves nothing else to say"


class StagedKubernetesNetworkPolicy(NetworkPolicy):
    """projectcalico.org/v3 StagedKubernetesNetworkPolicy."""

    spec: StagedNetworkPolicySpec


class PodsOf(Model):
    """Pods by their labels and those of their namespace."""

    namespace_selector: LabelSelector
    pod_selector: LabelSelector

    def checks(self) -> Iterable[Finding]:
        yield from inside("namespaceSelector", self.namespace_selector.checks())
        yield from inside("podSelector", self.pod_selector.checks())


class Subject(Model):
    """Whom a ClusterNetworkPolicy is about: all pods of some namespaces, or some pods of them."""

    namespaces: LabelSelector | None = None
    pods: PodsOf | None = None

    def checks(self) -> Iterable[Finding]:
        for name, part in (("namespaces", self.namespaces), ("pods", self.pods)):
            if part:
                yield from inside(name, part.checks())
        if len(self.model_fields_set) != 1:
            yield (
                (),
                "must have exactly one peer kind: "
                + ", ".join(str(field.alias) for field in type(self).model_fields.values()),
            )


class EgressPeer(Subject):
    """As a subject, or networks; nodes and domain names are valid, and no rule that Calico converts."""

    networks: Annotated[list[Cidr], Field(min_length=1, max_length=25)] | None = None
    nodes: LabelSelector | None = None
    domain_names: list[str] | None = None


class PortRange(Model):
    """An inclusive range of ports."""

    start: PortNumber
    end: PortNumber


class DestinationPort(Model):
    """A port, or a range of them."""

    number: PortNumber | None = None
    range: PortRange | None = None

    def checks(self) -> Iterable[Finding]:
        if len(self.model_fields_set) != 1:
            yield (), "must have either number or range"
        if self.range and self.range.start >= self.range.end:
            yield ("range",), "must start below its end"


class ProtocolPorts(Model):
    """The destination port of one protocol; none = all."""

    destination_port: DestinationPort | None = None

    def checks(self) -> Iterable[Finding]:
        if self.destination_port:
            yield from inside("destinationPort", self.destination_port.checks())


class ClusterProtocol(Model):
    """One protocol, or the name of a port."""

    tcp: ProtocolPorts | None = None
    udp: ProtocolPorts | None = None
    sctp: ProtocolPorts | None = None
    destination_named_port: str = ""

    def checks(self) -> Iterable[Finding]:
        for name, part in (("tcp", self.tcp), ("udp", self.udp), ("sctp", self.sctp)):
            if part:
                yield from inside(name, part.checks())
        if len(self.model_fields_set) != 1:
            yield (), "must have exactly one of tcp, udp, sctp, destinationNamedPort"


class ClusterRule(Model):
    """What rules of both directions say."""

    name: Annotated[str, Field(max_length=100)] = ""
    action: Literal["Accept", "Deny", "Pass"]
    protocols: Annotated[list[ClusterProtocol], Field(min_length=1, max_length=25)] | None = None


class ClusterIngressRule(ClusterRule):
    """Traffic into the subject."""

    from_: Annotated[list[Subject], Field(min_length=1, max_length=25, alias="from")]

    def checks(self) -> Iterable[Finding]:
        yield from _each("from", self.from_)
        yield from _each("protocols", self.protocols or [])


class ClusterEgressRule(ClusterRule):
    """Traffic out of the subject."""

    to: Annotated[list[EgressPeer], Field(min_length=1, max_length=25)]

    def checks(self) -> Iterable[Finding]:
        yield from _each("to", self.to)
        yield from _each("protocols", self.protocols or [])


class ClusterNetworkPolicySpec(Model):
    """What a ClusterNetworkPolicy says."""

    tier: Literal["Admin", "Baseline"]
    priority: Annotated[int, Field(ge=0, le=1000)]
    subject: Subject
    ingress: Annotated[list[ClusterIngressRule], Field(max_length=25)] = Field(default_factory=list)
    egress: Annotated[list[ClusterEgressRule], Field(max_length=25)] = Field(default_factory=list)

    def checks(self) -> Iterable[Finding]:
        yield from inside("subject", self.subject.checks())
        yield from _each("ingress", self.ingress)
        yield from _each("egress", self.egress)


class ClusterNetworkPolicy(Manifest):
    """policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy."""

    spec: ClusterNetworkPolicySpec

    def checks(self) -> Iterable[Finding]:
        yield from inside("spec", self.spec.checks())
