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


def _boutique(name: str, *ports: Port, replicas: int = 1, account: str | None = None) -> Workload:
    service = name if ports else ""
    return Workload(
        "online-boutique",
        name,
        "Deployment",
        account or name,
        {"app": name},
        ports,
        replicas,
        service=service,
    )


def _recommended(name: str, component: str = "") -> Labels:
    """The labels that Kubernetes recommends and charts set."""
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name}
    return labels | ({"app.kubernetes.io/component": component} if component else {})


BOUTIQUE = (
    _boutique("adservice", Port("grpc", 9555), replicas=2),
    _boutique("cartservice", Port("grpc", 7070), replicas=2),
    _boutique("checkoutservice", Port("grpc", 5050), replicas=2),
    _boutique("currencyservice", Port("grpc", 7000), replicas=2),
    _boutique("emailservice", Port("grpc", 8080, service_port=5000)),
    _boutique("frontend", Port("http", 8080, service_port=80), replicas=3),
    _boutique("loadgenerator"),
    _boutique("paymentservice", Port("grpc", 50051)),
    _boutique("productcatalogservice", Port("grpc", 3550), replicas=2),
    _boutique("recommendationservice", Port("grpc", 8080)),
    _boutique("redis-cart", Port("tcp-redis", 6379), account="default"),
    _boutique("shippingservice", Port("grpc", 50051)),
)

WORKLOADS: tuple[Workload, ...] = (
    *BOUTIQUE,
    Workload(
        "payments",
        "gateway",
        "Deployment",
        "gateway",
        {"app": "gateway"},
        (Port("https", 8443, service_port=443), Port(METRICS, 9102)),
        replicas=2,
        service="gateway",
    ),
    Workload(
        "payments",
        "fraud-scorer",
        "Deployment",
        "fraud-scorer",
        {"app": "fraud-scorer"},
        (Port("grpc", 9000), Port(METRICS, 9103)),
        replicas=2,
        service="fraud-scorer",
    ),
    Workload(
        "payments",
        "ledger",
        "StatefulSet",
        "ledger",
        {"app": "ledger"},
        (Port("postgres", 5432), Port(METRICS, 9187)),
        service="ledger",
    ),
    Workload(
        "batch",
        "scheduler",
        "Deployment",
        "scheduler",
        {"app": "scheduler"},
        (Port("http", 8080), Port(METRICS, 9095)),
        grows=False,
        service="scheduler",
    ),
    Workload("batch", "report-builder", "Job", "report-builder", {"app": "report-builder"}, grows=False),
    Workload(
        "team-atlas",
        "web",
        "Deployment",
        "default",
        {"app": "web"},
        (Port("http", 8080, service_port=80),),
        replicas=2,
        service="web",
    ),
    Workload(
        "team-atlas", "api", "Deployment", "default", {"app": "api"}, (Port("http", 8081),), service="api"
    ),
    Workload(
        "team-atlas",
        "postgres",
        "StatefulSet",
        "default",
        {"app": "postgres"},
        (Port("postgres", 5432),),
        service="postgres",
    ),
    Workload(
        "monitoring",
        "prometheus",
        "StatefulSet",
        "prometheus",
        _recommended("prometheus"),
        (Port("http-web", 9090),),
        grows=False,
        service="prometheus",
    ),
    Workload(
        "monitoring",
        "alertmanager",
        "StatefulSet",
        "alertmanager",
        _recommended("alertmanager"),
        (Port("http-web", 9093),),
        grows=False,
        service="alertmanager",
    ),
    Workload(
        "monitoring",
        "grafana",
        "Deployment",
        "grafana",
        _recommended("grafana"),
        (Port("http", 3000),),
        grows=False,
        service="grafana",
    ),
    Workload(
        "monitoring",
        "node-exporter",
        "DaemonSet",
        "node-exporter",
        _recommended("node-exporter"),
        (Port("http-metrics", 9100),),
        host_network=True,
    ),
    Workload(
        "ingress-nginx",
        "ingress-nginx-controller",
        "Deployment",
        "ingress-nginx",
        _recommended("ingress-nginx", "controller"),
        (Port("http", 80), Port("https", 443), Port("webhook", 8443), Port(METRICS, 10254)),
        replicas=2,
        service="ingress-nginx-controller",
    ),
    Workload(
        "kube-system",
        "coredns",
        "Deployment",
        "coredns",
        {"k8s-app": "kube-dns", "eks.amazonaws.com/component": "coredns"},
        (Port("dns", 53, "UDP"), Port("dns-tcp", 53), Port(METRICS, 9153)),
        replicas=2,
        service="kube-dns",
    ),
    Workload(
        "kube-system",
        "aws-load-balancer-controller",
        "Deployment",
        "aws-load-balancer-controller",
        _recommended("aws-load-balancer-controller"),
        (Port("webhook-server", 9443), Port("metrics-server", 8080)),
        grows=False,
        service="aws-load-balancer-webhook-service",
    ),
    Workload(
        "kube-system",
        "cluster-autoscaler",
        "Deployment",
        "cluster-autoscaler",
        _recommended("cluster-autoscaler"),
        (Port("http", 8085),),
        grows=False,
    ),
    Workload(
        "kube-system",
        "aws-node",
        "DaemonSet",
        "aws-node",
        {"k8s-app": "aws-node"},
        (Port(METRICS, 61678),),
        host_network=True,
    ),
    Workload(
        "kube-system",
        "kube-proxy",
        "DaemonSet",
        "kube-proxy",
        {"k8s-app": "kube-proxy"},
        host_network=True,
    ),
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


OUTSIDES: dict[str, Outside] = {
    outside.name: outside
    for outside in (
        Outside("clients", "net", "pub", tuple(f"203.0.113.{host}" for host in range(20, 60))),
        Outside("s3", "net", "pub", ("52.216.8.43", "52.217.92.70"), domains=("s3.us-east-1.amazonaws.com",)),
        Outside("sts", "net", "pub", ("209.54.177.12",), domains=("sts.us-east-1.amazonaws.com",)),
        Outside("ses", "net", "pub", ("44.206.9.87",), domains=("email-smtp.us-east-1.amazonaws.com",)),
        Outside(
            "autoscaling", "net", "pub", ("52.94.232.10",), domains=("autoscaling.us-east-1.amazonaws.com",)
        ),
        Outside("github", "net", "pub", ("140.82.112.6", "140.82.113.6"), domains=("api.github.com",)),
        Outside("pypi", "net", "pub", ("151.101.0.223", "151.101.64.223"), domains=("pypi.org",)),
        Outside("telemetry", "net", "pub", ("203.0.113.200",), domains=("telemetry.example.com",)),
        Outside("bare-address", "net", "pub", ("203.0.113.201",)),
        Outside(
            "load-balancers", "ns", "load-balancers", ("10.0.0.12", "10.0.1.41"), {"aws": "load-balancers"}
        ),
        Outside(
            "eks-control-plane",
            "ns",
            "eks-control-plane",
            ("10.0.8.5", "10.0.8.21"),
            {"aws": "eks-control-plane"},
        ),
        Outside(
            "card-network", "ns", "card-network", ("192.0.2.18", "192.0.2.19"), {"partner": "card-network"}
        ),
        Outside("threat-feed", "ns", "threat-feed", ("198.51.100.7", "198.51.100.66"), {"feed": "threat"}),
        Outside(
            "instance-metadata", "ns", "instance-metadata", ("169.254.169.254",), {"aws": "instance-metadata"}
        ),
    )
}
