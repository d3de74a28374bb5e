"""Edges and times in words."""

from datetime import UTC, datetime

from pipeline.observe import HOUR_MS
from pipeline.recommend.learned import NONE, EdgeKey

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}


def protocol_name(protocol: int) -> str:
    """As flow logs write it."""
    return _PROTOCOLS.get(protocol, "any" if protocol == NONE else str(protocol))


def says(key: EdgeKey, ports: str = "") -> str:
    """An edge in words: `frontend → tcp/7070 online-boutique/cartservice`."""
    port = ports or ("" if key.port == NONE else str(key.port))
    arrow = "→" if key.direction == "egress" else "←"
    service = f"{protocol_name(key.protocol)}{'/' * bool(port)}{port}"
    return f"{key.workload} {arrow} {service} {_peer_name(key)}"


def hour_says(hour: int) -> str:
    """An hour since the epoch in words."""
    return datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC).strftime("%Y-%m-%d %H:00 UTC")


def _peer_name(key: EdgeKey) -> str:
    name = f"{key.peer_namespace}/{key.peer}" if key.peer_namespace else key.peer
    address = f" {key.peer_ip}" if key.peer_ip else ""
    names = f" ({', '.join(key.domains)})" if key.domains else ""
    return f"{name}{address}{names}"
