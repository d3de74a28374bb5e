"""Who talks to whom in the sample cluster, and how much: as data."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from deploy.demo.cluster import Window
from deploy.demo.inventory import METRICS, WORKLOADS

NODES = "nodes"  # the hosts themselves
DNS_SERVER = "kube-system/coredns"
PROMETHEUS = "monitoring/prometheus"
INTRUDER = "online-boutique/adservice"  # one pod of it is not its own master any more
SCAN_STARTS, SCAN_LASTS = 0.77, 6  # share of the window; intervals
SCANNED_PORTS = (22, 80, 443, 2379, 3306, 5432, 6379, 7070, 8080, 9000, 9090, 27017)


@dataclass(frozen=True, slots=True)
class Talk:
    """Connections from one party to another.

    Parties are workloads ("namespace/name"), `NODES`, or names of the inventory's outsides.
    `rate`: connections an interval and source at the middle of a day; `sent` and `received`: bytes
    of one; `steady`: connections that stay open; `single`: of one pod alone; `due`: the intervals
    in which it happens, None = any.
    """

    source: str
    dest: str
    port: int
    rate: float
    sent: int
    received: int
    protocol: Literal["tcp", "udp"] = "tcp"
    steady: bool = False
    single: bool = False
    due: range | None = None


def _shop(source: str, dest: str, port: int, rate: float, sent: int = 900, received: int = 2_400) -> Talk:
    return Talk(f"online-boutique/{source}", f"online-boutique/{dest}", port, rate, sent, received)


_SHOP = (
    _shop("loadgenerator", "frontend", 8080, 60, 1_200, 21_000),
    _shop("frontend", "adservice", 9555, 20),
    _shop("frontend", "cartservice", 7070, 25),
    _shop("frontend", "checkoutservice", 5050, 4),
    _shop("frontend", "currencyservice", 7000, 40),
    _shop("frontend", "productcatalogservice", 3550, 40, received=9_000),
    _shop("frontend", "recommendationservice", 8080, 20),
    _shop("frontend", "shippingservice", 50051, 8),
    _shop("checkoutservice", "cartservice", 7070, 5),
    _shop("checkoutservice", "currencyservice", 7000, 5),
    _shop("checkoutservice", "emailservice", 8080, 3),
    _shop("checkoutservice", "paymentservice", 50051, 3),
    _shop("checkoutservice", "productcatalogservice", 3550, 5),
    _shop("checkoutservice", "shippingservice", 50051, 5),
    _shop("recommendationservice", "productcatalogservice", 3550, 20),
    Talk("online-boutique/cartservice", "online-boutique/redis-cart", 6379, 4, 60_000, 180_000, steady=True),
    # A new feature whose policy is only staged yet.
    _shop("recommendationservice", "redis-cart", 6379, 2),
    # A library that nobody asked to phone home.
    Talk("online-boutique/recommendationservice", "telemetry", 443, 2, 900, 2_400),
)
_FROM_OUTSIDE = (
    Talk("clients", "ingress-nginx/ingress-nginx-controller", 443, 0.6, 2_000, 35_000),
    Talk("load-balancers", "online-boutique/frontend", 8080, 40, 1_500, 30_000),
    Talk("ingress-nginx/ingress-nginx-controller", "online-boutique/frontend", 8080, 30, 1_500, 30_000),
    Talk("ingress-nginx/ingress-nginx-controller", "team-atlas/web", 8080, 15, 1_100, 12_000),
    Talk("ingress-nginx/ingress-nginx-controller", "monitoring/grafana", 3000, 3, 1_800, 60_000),
    Talk("eks-control-plane", "ingress-nginx/ingress-nginx-controller", 8443, 1, 3_000, 900),
    Talk("eks-control-plane", "kube-system/aws-load-balancer-controller", 9443, 1, 3_000, 900),
)
_PAYMENTS = (
    Talk("online-boutique/paymentservice", "payments/gateway", 8443, 3, 1_800, 1_400),
    Talk("payments/gateway", "payments/fraud-scorer", 9000, 3, 1_200, 300),
    Talk("payments/gateway", "payments/ledger", 5432, 5, 40_000, 22_000, steady=True),
    Talk("payments/gateway", "card-network", 443, 3, 2_100, 3_300),
)
_TEAMS = (
    Talk("team-atlas/web", "team-atlas/api", 8081, 12, 700, 5_000),
    Talk("team-atlas/api", "team-atlas/postgres", 5432, 4, 30_000, 90_000, steady=True),
    Talk("team-atlas/web", "github", 443, 4, 1_500, 40_000),
    Talk("team-atlas/web", "pypi", 443, 2, 900, 400_000),
    Talk("team-atlas/web", "bare-address", 8443, 1, 700, 700),
    # Somebody pasted the wrong host name: the guardrail around card data holds.
    Talk("team-atlas/api", "payments/ledger", 5432, 1, 300, 300),
    # A web hook that the receiving team never opened.
    Talk("batch/scheduler", "team-atlas/api", 8081, 1, 900, 200),
    Talk("batch/scheduler", "sts", 443, 1, 2_000, 3_000),
    Talk("batch/report-builder", "online-boutique/cartservice", 7070, 60, 700, 15_000),
    Talk("batch/report-builder", "s3", 443, 20, 2_500_000, 4_000),
    Talk("batch/report-builder", "sts", 443, 2, 2_000, 3_000),
)
_PLATFORM = (
    Talk("monitoring/grafana", PROMETHEUS, 9090, 6, 1_000, 80_000),
    Talk(PROMETHEUS, "monitoring/alertmanager", 9093, 2, 900, 300),
    Talk(PROMETHEUS, NODES, 9100, 10, 600, 95_000),
    Talk(PROMETHEUS, NODES, 10250, 10, 600, 140_000),
    Talk("online-boutique/emailservice", "ses", 587, 2, 9_000, 2_000),
    Talk("kube-system/cluster-autoscaler", "autoscaling", 443, 5, 3_000, 9_000),
    Talk("kube-system/aws-load-balancer-controller", "sts", 443, 1, 2_000, 3_000),
)
_WATCHERS = (
    PROMETHEUS,
    DNS_SERVER,
    "ingress-nginx/ingress-nginx-controller",
    "kube-system/aws-load-balancer-controller",
    "kube-system/cluster-autoscaler",
)


def talks(window: Window) -> list[Talk]:
    """Everything that is said in the cluster over a window, the hosts' health checks left out."""
    return [
        *_SHOP,
        *_FROM_OUTSIDE,
        *_PAYMENTS,
        *_TEAMS,
        *_PLATFORM,
        *(Talk(watcher, "eks-control-plane", 443, 1, 8_000, 120_000, steady=True) for watcher in _WATCHERS),
        *_scrapes(),
        *_names(),
        *_intrusion(window),
    ]


def _scrapes() -> Iterator[Talk]:
    for workload in WORKLOADS:
        for port in workload.ports:
            if port.name == METRICS and not workload.host_network:
                yield Talk(PROMETHEUS, workload.key, port.number, 10, 500, 24_000)


def _names() -> Iterator[Talk]:
    """DNS of every workload: short questions over UDP, now and then a long answer over TCP."""
    for workload in WORKLOADS:
        if not workload.host_network and workload.key != DNS_SERVER:
            yield Talk(workload.key, DNS_SERVER, 53, 30, 90, 180, "udp")
    yield Talk("ingress-nginx/ingress-nginx-controller", DNS_SERVER, 53, 1, 120, 3_000)


def _intrusion(window: Window) -> Iterator[Talk]:
    """One pod calls home, asks for the node's credentials and tries every door it can find."""
    first = int(len(window) * SCAN_STARTS)
    home = Talk(INTRUDER, "threat-feed", 443, 2, 400, 0, single=True, due=range(first, len(window)))
    yield home
    yield replace(home, dest="instance-metadata", port=80, due=range(first, first + SCAN_LASTS))
    doors = [
        (workload.key, port)
        for workload in WORKLOADS
        if not workload.host_network and workload.key != INTRUDER
        for port in SCANNED_PORTS
    ]
    for number, (dest, port) in enumerate(doors):
        at = first + number * SCAN_LASTS // len(doors)
        yield Talk(INTRUDER, dest, port, 1, 60, 40, single=True, due=range(at, at + 1))
