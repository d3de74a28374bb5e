"""What is read of the cluster's own objects, which Kubernetes has checked (CALICO.md §2.6)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from pipeline.policy.problems import Finding
from pipeline.policy.schema import Part
from pipeline.policy.schema_fields import Address, is_address

type PortProtocol = Literal["TCP", "UDP", "SCTP"]


class Metadata(Part):
    name: str
    namespace: str | None = None
    uid: str = ""
    labels: dict[str, str] | None = None
    generate_name: str | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None


class Fact(Part):
    """A whole object."""

    api_version: str
    kind: str
    metadata: Metadata


class Namespace(Fact):
    """v1 Namespace."""


class ServiceAccount(Fact):
    """v1 ServiceAccount."""


class ContainerPort(Part):
    name: str | None = None
    container_port: int
    protocol: PortProtocol = "TCP"


class Container(Part):
    ports: list[ContainerPort] | None = None


class PodSpec(Part):
    service_account_name: str | None = None
    node_name: str | None = None
    host_network: bool | None = None
    containers: list[Container] = Field(default_factory=list)
    init_containers: list[Container] | None = None


class PodIp(Part):
    ip: Address


class Terminated(Part):
    finished_at: datetime | None = None


class ContainerState(Part):
    terminated: Terminated | None = None


class ContainerStatus(Part):
    state: ContainerState | None = None


class PodStatus(Part):
    phase: str | None = None
    pod_ip: Address | None = Field(default=None, alias="podIP")
    pod_ips: list[PodIp] | None = Field(default=None, alias="podIPs")
    host_ip: Address | None = Field(default=None, alias="hostIP")
    host_ips: list[PodIp] | None = Field(default=None, alias="hostIPs")
    container_statuses: list[ContainerStatus] | None = None


class Pod(Fact):
    """v1 Pod."""

    spec: PodSpec = Field(default_factory=PodSpec)
    status: PodStatus = Field(default_factory=PodStatus)


class SlicePort(Part):
    port: int | None = None
    protocol: PortProtocol = "TCP"


class SliceEndpoint(Part):
    addresses: list[str]  # names where the slice's address type is FQDN


class EndpointSlice(Fact):
    """discovery.k8s.io/v1 EndpointSlice."""

    address_type: Literal["IPv4", "IPv6", "FQDN"] = "IPv4"
    endpoints: list[SliceEndpoint] | None = None
    ports: list[SlicePort] | None = None

    def checks(self) -> Iterable[Finding]:
        if self.address_type == "FQDN":
            return
        for index, endpoint in enumerate(self.endpoints or []):
            for place, text in enumerate(endpoint.addresses):
                if not is_address(text):
                    yield ("endpoints", index, "addresses", place), f"must be an IP address, not {text!r}"
