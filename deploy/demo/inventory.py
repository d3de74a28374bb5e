"""What runs in the sample cluster: namespaces, workloads and their ports, as data."""

from dataclasses import dataclass, field
from typing import Literal

type Kind = Literal["Deployment", "StatefulSet", "DaemonSet", "Job"]
type Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Port:
    """A named container port; `service_port` is the one its service shows, where it differs."""

    name: str
    number: int
    protocol: str = "TCP"
    service_port: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods of one kind. `grows`: has `replicas` pods per unit of the cluster's scale, not in all."""

    namespace: str
    name: str
    kind: Kind
    account: str
    labels: Labels
    ports: tuple[Port, ...] = ()
    replicas: int = 1
    grows: bool = True
    service: str = ""
    host_network: bool = False

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


NAMESPACES: dict[str, Labels] = {
    "batch": {"team": "data", "environment": "production"},
    "ingress-nginx": {"team": "platform", "monitoring": "enabled"},
    "kube-system": {"monitoring": "enabled"},
    "monitoring": {"team": "platform", "monitoring": "enabled"},
    "online-boutique": {"team": "storefront", "environment": "production", "egress": "restricted"},
    "payments": {
        "team": "payments",
        "environment": "production",
        "compliance": "pci",
        "egress": "restricted",
        "monitoring": "enabled",
    },
    "team-atlas": {"team": "atlas", "environment": "development"},
}

METRICS = "metrics"


def _runs(
    namespace: str,
    name: str,
    *ports: Port,
    kind: Kind = "Deployment",
    account: str | None = None,
    labels: Labels | None = None,
    replicas: int = 1,
    grows: bool = True,
    service: str | None = None,
    host_network: bool = False,
) -> Workload:
    """A workload whose account, label `app` and, where it has ports, service bear its name."""
    served = name if ports and not host_network else ""
    return Workload(
        namespace,
        name,
        kind,
        account or name,
        labels or {"app": name},
        ports,
        replicas,
        grows,
        service or served,
        host_network,
    )


def _chart(name: str, component: str = "") -> Labels:
    """The labels that Kubernetes recommends and charts set."""
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name}
    return labels | ({"app.kubernetes.io/component": component} if component else {})


_SHOP = "online-boutique"
WORKLOADS: tuple[Workload, ...] = (
    _runs(_SHOP, "adservice", Port("grpc", 9555), replicas=2),
    _runs(_SHOP, "cartservice", Port("grpc", 7070), replicas=2),
    _runs(_SHOP, "checkoutservice", Port("grpc", 5050), replicas=2),
    _runs(_SHOP, "currencyservice", Port("grpc", 7000), replicas=2),
    _runs(_SHOP, "emailservice", Port("grpc", 8080, service_port=5000)),
    _runs(_SHOP, "frontend", Port("http", 8080, service_port=80), replicas=3),
    _runs(_SHOP, "loadgenerator"),
    _runs(_SHOP, "paymentservice", Port("grpc", 50051)),
    _runs(_SHOP, "productcatalogservice", Port("grpc", 3550), replicas=2),
    _runs(_SHOP, "recommendationservice", Port("grpc", 8080)),
    _runs(_SHOP, "redis-cart", Port("tcp-redis", 6379), account="default"),
    _runs(_SHOP, "shippingservice", Port("grpc", 50051)),
    _runs("payments", "gateway", Port("https", 8443, service_port=443), Port(METRICS, 9102), replicas=2),
    _runs("payments", "fraud-scorer", Port("grpc", 9000), Port(METRICS, 9103), replicas=2),
    _runs("payments", "ledger", Port("postgres", 5432), Port(METRICS, 9187), kind="StatefulSet"),
    _runs("batch", "scheduler", Port("http", 8080), Port(METRICS, 9095), grows=False),
    _runs("batch", "report-builder", kind="Job", grows=False),
    _runs("team-atlas", "web", Port("http", 8080, service_port=80), account="default", replicas=2),
    _runs("team-atlas", "api", Port("http", 8081), account="default"),
    _runs("team-atlas", "postgres", Port("postgres", 5432), kind="StatefulSet", account="default"),
    _runs(
        "monitoring",
        "prometheus",
        Port("http-web", 9090),
        kind="StatefulSet",
        labels=_chart("prometheus"),
        grows=False,
    ),
    _runs(
        "monitoring",
        "alertmanager",
        Port("http-web", 9093),
        kind="StatefulSet",
        labels=_chart("alertmanager"),
        grows=False,
    ),
    _runs("monitoring", "grafana", Port("http", 3000), labels=_chart("grafana"), grows=False),
    _runs(
        "monitoring",
        "node-exporter",
        Port("http-metrics", 9100),
        kind="DaemonSet",
        labels=_chart("node-exporter"),
        host_network=True,
    ),
    _runs(
        "ingress-nginx",
        "ingress-nginx-controller",
        Port("http", 80),
        Port("https", 443),
        Port("webhook", 8443),
        Port(METRICS, 10254),
        account="ingress-nginx",
        labels=_chart("ingress-nginx", "controller"),
        replicas=2,
    ),
    _runs(
        "kube-system",
        "coredns",
        Port("dns", 53, "UDP"),
        Port("dns-tcp", 53),
        Port(METRICS, 9153),
        labels={"k8s-app": "kube-dns", "eks.amazonaws.com/component": "coredns"},
        replicas=2,
        service="kube-dns",
    ),
    _runs(
        "kube-system",
        "aws-load-balancer-controller",
        Port("webhook-server", 9443),
        Port("metrics-server", 8080),
        labels=_chart("aws-load-balancer-controller"),
        grows=False,
        service="aws-load-balancer-webhook-service",
    ),
    _runs(
        "kube-system",
        "cluster-autoscaler",
        Port("http", 8085),
        labels=_chart("cluster-autoscaler"),
        grows=False,
    ),
    _runs(
        "kube-system",
        "aws-node",
        Port(METRICS, 61678),
        kind="DaemonSet",
        labels={"k8s-app": "aws-node"},
        host_network=True,
    ),
    _runs("kube-system", "kube-proxy", kind="DaemonSet", labels={"k8s-app": "kube-proxy"}, host_network=True),
)


@dataclass(frozen=True, slots=True)
class Outside:
    """Addresses beyond the pods: `type` and `name_aggr` are what the flow log calls them.

    `labels` are a network set's own; `domains` the names that clients resolved them by.
    """

    name: str
    type: Literal["net", "ns"]
    name_aggr: str
    addresses: tuple[str, ...]
    labels: Labels = field(default_factory=dict)
    domains: tuple[str, ...] = ()


_AWS = "us-east-1.amazonaws.com"


def _public(name: str, *addresses: str, domain: str = "") -> Outside:
    return Outside(name, "net", "pub", addresses, domains=(domain,) if domain else ())


def _set(name: str, label: tuple[str, str], *addresses: str) -> Outside:
    """A network set of the policies, by some of its addresses."""
    return Outside(name, "ns", name, addresses, dict([label]))


OUTSIDES: dict[str, Outside] = {
    outside.name: outside
    for outside in (
        _public("clients", *(f"203.0.113.{host}" for host in range(20, 60))),
        _public("s3", "52.216.8.43", "52.217.92.70", domain=f"s3.{_AWS}"),
        _public("sts", "209.54.177.12", domain=f"sts.{_AWS}"),
        _public("ses", "44.206.9.87", domain=f"email-smtp.{_AWS}"),
        _public("autoscaling", "52.94.232.10", domain=f"autoscaling.{_AWS}"),
        _public("github", "140.82.112.6", "140.82.113.6", domain="api.github.com"),
        _public("pypi", "151.101.0.223", "151.101.64.223", domain="pypi.org"),
        _public("telemetry", "203.0.113.200", domain="telemetry.example.com"),
        _public("bare-address", "203.0.113.201"),
        _set("load-balancers", ("aws", "load-balancers"), "10.0.0.12", "10.0.1.41"),
        _set("eks-control-plane", ("aws", "eks-control-plane"), "10.0.8.5", "10.0.8.21"),
        _set("card-network", ("partner", "card-network"), "192.0.2.18", "192.0.2.19"),
        _set("threat-feed", ("feed", "threat"), "198.51.100.7", "198.51.100.66"),
        _set("instance-metadata", ("aws", "instance-metadata"), "169.254.169.254"),
    )
}
