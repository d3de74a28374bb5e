"""A proposal ▸ the manifest of a staged policy: nothing in it changes while the traffic does not."""

from typing import Any

from pipeline.recommend.learned import NONE
from pipeline.recommend.proposal import ICMP, Proposal, ProposedRule
from pipeline.recommend.widen import Ports

API_VERSION = "projectcalico.org/v3"
KIND = "StagedNetworkPolicy"
FROM = "flowtier.io/learned-from"  # the annotation that says where a policy comes from

_NAMES = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP", 136: "UDPLite"}


def manifest_of(proposal: Proposal) -> dict[str, Any]:
    """The manifest, as Calico's CRDs and validator take it (CALICO.md §2.4, §3)."""
    spec: dict[str, Any] = {"tier": proposal.tier, "order": _number(proposal.order)}
    if proposal.selector:
        spec["selector"] = proposal.selector
    spec["types"] = [direction.capitalize() for direction in proposal.types]
    for direction in proposal.types:
        rules = [_rule(rule) for rule in proposal.rules if rule.direction == direction]
        if rules:
            spec[direction] = rules
    of = f"observed flows of {', '.join(proposal.workloads)}"
    if proposal.mode == "namespace":
        of = f"observed flows of namespace {proposal.namespace}"
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": proposal.name,
            "namespace": proposal.namespace,
            "annotations": {FROM: of},
        },
        "spec": spec,
    }


def key_of(manifest: dict[str, Any]) -> str:
    """What names the policy in traces: snp:namespace/name."""
    return f"snp:{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def _rule(rule: ProposedRule) -> dict[str, Any]:
    written: dict[str, Any] = {"action": rule.action}
    if rule.protocol != NONE:
        written["protocol"] = _NAMES.get(rule.protocol, rule.protocol)
    if rule.ports and rule.protocol in ICMP:
        written["icmp"] = {"type": rule.ports.first >> 8, "code": rule.ports.first & 255}
    entity = dict(rule.peer.entity) if rule.peer else {}
    ports = [_ports(rule.ports)] if rule.ports and rule.protocol not in ICMP else []
    if rule.direction == "ingress":
        sides = {"source": entity, "destination": {"ports": ports} if ports else {}}
    else:
        sides = {"destination": entity | ({"ports": ports} if ports else {})}
    return written | {side: said for side, said in sides.items() if said}


def _ports(ports: Ports) -> int | str:
    return ports.first if ports.first == ports.last else f"{ports.first}:{ports.last}"


def _number(order: float) -> float | int:
    return int(order) if order == int(order) else order
