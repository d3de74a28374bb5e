"""What Calico's CRDs and validator take as a rule (CALICO.md §3)."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from pipeline.policy.problems import Finding
from pipeline.policy.schema import LabelKey, Model, Unique, inside
from pipeline.policy.schema_fields import (
    PORT_PROTOCOLS,
    AnySelector,
    LocalSelector,
    NamespaceSelector,
    Nets,
    Ports,
    ProtocolField,
    Text253,
)

type Action = Literal["Allow", "Deny", "Log", "Pass"]


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
        if not self.model_fields_set:
            return
        for index, net in enumerate(self.not_nets):
            if net.prefixlen == 0:
                yield ("notNets", index), f"{net} excludes every address"
        if self.services:
            others = {
                "selector": self.selector,
                "notSelector": self.not_selector,
                "namespaceSelector": self.namespace_selector,
                "serviceAccounts": self.service_accounts,
                "nets": self.nets,
                "notNets": self.not_nets,
            }
            if beside := [name for name, value in others.items() if value]:
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
    source: EntityRule = Field(default_factory=EntityRule)
    destination: EntityRule = Field(default_factory=EntityRule)
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
        if self.protocol and self.protocol.number in PORT_PROTOCOLS:
            return
        for side, part in (("source", self.source), ("destination", self.destination)):
            for name, ports in (("ports", part.ports), ("notPorts", part.not_ports)):
                only_names = self.protocol is None and all(isinstance(item, str) for item in ports)
                if ports and not only_names:
                    yield (side, name), "needs protocol TCP, UDP or SCTP in the same rule"

    def _family_checks(self) -> Iterable[Finding]:
        family = self.ip_version
        for implied in (self.protocol, self.not_protocol):
            wanted = implied and {1: 4, 58: 6}.get(implied.number)
            if wanted and family not in (None, wanted):
                yield ("ipVersion",), f"must be {wanted} with ICMP of IPv{wanted}"
        for side, part in (("source", self.source), ("destination", self.destination)):
            for name, nets in (("nets", part.nets), ("notNets", part.not_nets)):
                for index, net in enumerate(nets):
                    family = family or net.version
                    if net.version != family:
                        yield (side, name, index), f"{net} in a rule that is about IPv{family}"

    def _application_checks(self) -> Iterable[Finding]:
        if self.icmp and (self.protocol is None or self.protocol.number not in (1, 58)):
            yield ("icmp",), "needs protocol ICMP or ICMPv6"
        if self.http and self.action != "Allow":
            yield ("http",), "is only for rules with action Allow"
        if self.http and self.protocol and self.protocol.number != 6:
            yield ("protocol",), "must be TCP, or not given, beside http"
        if self.destination.services and (self.destination.ports or self.destination.not_ports):
            yield ("destination", "services"), "cannot stand beside ports or notPorts"


type Rules = Annotated[list[Rule], Field(max_length=1024)]
