"""What is taken as it is meant, and is better written in the one way that everybody takes."""

from collections.abc import Iterator, Mapping, Sequence
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


def addresses(spec: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Where in a policy's spec an address stands for a network."""
    for place, nets in _nets(spec):
        for number, net in enumerate(nets):
            if "/" not in net and is_address(net):
                yield (*place, number), net


def _nets(spec: Mapping[str, Any]) -> Iterator[tuple[Location, Sequence[str]]]:
    """The lists of networks in the rules of a Calico policy's spec."""
    for direction in DIRECTIONS:
        for index, rule in enumerate(spec.get(direction) or ()):
            for side in ("source", "destination"):
                for name in ("nets", "notNets"):
                    if nets := (rule.get(side) or {}).get(name):
                        yield (direction, index, side, name), nets
