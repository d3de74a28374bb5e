"""Whether a host sent to its own pod, which Calico never polices (CALICO.md §4.1)."""

from collections.abc import Collection

from pipeline.addresses import PRIVATE, PUBLIC, REGIONS, networks_of
from pipeline.evidence import kind_of
from pipeline.facts import Facts
from pipeline.flow import Endpoint
from pipeline.policy.policies import Network

YES, NO, OPEN = 1, 0, -1


def own_host(facts: Facts, source: Endpoint, host: str, known: Collection[Network]) -> int:
    """Whether a source is the host itself, whose `known` addresses may be none: YES, NO or OPEN.

    A node whose addresses nobody knows is taken to have private ones only.
    """
    address = networks_of((source.ip,))
    if kind_of(source) == "hep" and host:
        endpoints = facts.host_endpoints(source.name, "") if source.name else []
        if host in (source.name, source.name_aggr) or any(v.fact.node == host for v in endpoints):
            return YES
        if source.name_aggr or endpoints:
            return NO
    if address:
        if address[0] in known:
            return YES
        return OPEN if not known and _private(address[0]) else NO
    region = REGIONS.get(source.name_aggr, (*PRIVATE, *PUBLIC))
    return OPEN if any(_overlap(net, part) for net in known or PRIVATE for part in region) else NO


def _private(address: Network) -> bool:
    return any(_overlap(address, net) for net in PRIVATE)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
