"""What is taken as it is meant, and is better written in the one way that everybody takes."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_interface, ip_network
from typing import Any

from pipeline.check.subject import CONVERTED, Subject
from pipeline.check.unreachable import DIRECTIONS
from pipeline.policy.problems import Location, Problem
from pipeline.policy.resources import CALICO, STORAGE
from pipeline.policy.schema_fields import is_address


def stored_forms(subject: Subject) -> Iterator[Problem]:
    """Manifests in the form in which Calico stores them."""
    for key in subject.resources:
        place = subject.loaded.places[key]
        if str(place.item.data["apiVersion"]).startswith(f"{STORAGE}/"):
            reason = f"is how Calico stores it, past its API and validation: write {CALICO}/v3"
            yield place.problem(("apiVersion",), reason)


def bare_addresses(subject: Subject) -> Iterator[Problem]:
    """Addresses without a mask in the nets of Calico's rules."""
    for policy in subject.policies.policies:
        if policy.key.kind not in CONVERTED:
            for place, address in addresses(subject.document(policy.key)["spec"]):
                reason = f"{address} has no mask: calicoctl and Calico's API server refuse it"
                yield subject.problem(policy, ("spec", *place), reason)


def repeated_nets(subject: Subject) -> Iterator[Problem]:
    """Networks that stand twice in one list, in the same words."""
    for key, resource in subject.resources.items():
        spec = resource.document.get("spec") or {}
        for place, nets in [(("nets",), spec.get("nets") or ()), *_nets(spec)]:
            for number, net in enumerate(nets):
                if net in nets[:number]:
                    location = ("spec", *place, number)
                    yield subject.loaded.places[key].problem(location, f"{net} is listed twice")


def host_bits(subject: Subject) -> Iterator[Problem]:
    """Networks of Kubernetes' NetworkPolicies that have bits set beyond their prefix."""
    for policy in subject.policies.policies:
        if policy.key.kind in ("knp", "sknp"):
            for place, net in unmasked(subject.document(policy.key)["spec"]):
                masked = ip_network(net, strict=False)
                reason = (
                    f"{net} has bits set beyond its prefix, which Kubernetes 1.36 refuses: write {masked}"
                )
                yield subject.problem(policy, ("spec", *place), reason)


def enterprise_fields(subject: Subject) -> Iterator[Problem]:
    """Domains, which Calico Enterprise and Cloud alone know."""
    for key, resource in subject.resources.items():
        spec = resource.document.get("spec") or {}
        rules = [
            (("egress", n, "destination"), rule.get("destination") or {})
            for n, rule in _rules(spec, "egress")
        ]
        for place, part in [((), spec), *rules]:
            for name in ("domains", "allowedEgressDomains"):
                if part.get(name):
                    location = ("spec", *place, name)
                    yield subject.loaded.places[key].problem(
                        location, "is a field of Calico Enterprise and Cloud"
                    )


def unmasked(spec: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Where in the spec of a Kubernetes NetworkPolicy a network has bits set beyond its prefix."""
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for index, rule in _rules(spec, direction):
            for number, peer in enumerate(rule.get(side) or ()):
                place = (direction, index, side, number, "ipBlock")
                block = peer.get("ipBlock") or {}
                nets: list[tuple[Location, str]] = [((*place, "cidr"), block["cidr"])] if block else []
                nets += [((*place, "except", n), net) for n, net in enumerate(block.get("except") or ())]
                yield from ((where, net) for where, net in nets if _has_host_bits(net))


def _has_host_bits(net: str) -> bool:
    interface = ip_interface(net)
    return interface.ip != interface.network.network_address


def _rules(spec: Mapping[str, Any], direction: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return enumerate(spec.get(direction) or ())


def addresses(spec: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Where in a policy's spec an address stands for a network."""
    for place, nets in _nets(spec):
        for number, net in enumerate(nets):
            if "/" not in net and is_address(net):
                yield (*place, number), net


def _nets(spec: Mapping[str, Any]) -> Iterator[tuple[Location, Sequence[str]]]:
    """The lists of networks in the rules of a Calico policy's spec."""
    for direction in DIRECTIONS:
        for index, rule in _rules(spec, direction):
            for side in ("source", "destination"):
                for name in ("nets", "notNets"):
                    if nets := (rule.get(side) or {}).get(name):
                        yield (direction, index, side, name), nets
