"""The plain form of the facts: namespaces, service accounts, pods, host endpoints, endpoint slices."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Namespace:
    """A Kubernetes Namespace; what NetworkPolicies' namespace selectors see is `labels`."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A Kubernetes ServiceAccount; what service account selectors see is `labels`."""

    namespace: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pod:
    """A Kubernetes Pod.

    `ports` are the named container ports as (name, IANA protocol number, port).
    `created` and `deleted` are epoch seconds, None where the manifest does not say.
    `generate_name` is what aggregated flow logs know it by ("" where it has none).
    """

    namespace: str
    name: str
    uid: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    service_account: str = "default"
    ips: tuple[str, ...] = ()
    node: str = ""
    host_ips: tuple[str, ...] = ()
    host_network: bool = False
    ports: tuple[tuple[str, int, int], ...] = ()
    created: float | None = None
    deleted: float | None = None
    generate_name: str = ""


@dataclass(frozen=True, slots=True)
class HostEndpoint:
    """A Calico HostEndpoint; `ports` as (name, IANA protocol number, port), `ips` its expectedIPs."""

    name: str
    node: str
    labels: dict[str, str] = field(default_factory=dict)
    ips: tuple[str, ...] = ()
    ports: tuple[tuple[str, int, int], ...] = ()
    interface: str = ""


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """A Kubernetes EndpointSlice; `service` is the name of its service ("" where it has none),
    `ports` are (IANA protocol number, port)."""

    namespace: str
    name: str
    service: str
    addresses: tuple[str, ...] = ()
    ports: tuple[tuple[int | None, int | None], ...] = ()


type Fact = Namespace | ServiceAccount | Pod | HostEndpoint | EndpointSlice
