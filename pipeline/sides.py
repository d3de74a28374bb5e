"""Who one endpoint of a flow record may be, by what the record and the facts prove."""

from collections.abc import Mapping

from pipeline.addresses import REGIONS, networks_of, ordered
from pipeline.candidates import Found, Who, sorted_labels, who_of
from pipeline.evidence import NAMESPACE, Evidence, kind_of, labels_of
from pipeline.facts import alive
from pipeline.flow import Endpoint
from pipeline.identity import Candidate, Identity, NamedPort
from pipeline.inherited import INHERITED, Inherited, namespace_options
from pipeline.pods import add_recorded_pod, possible_pods
from pipeline.policy.policies import NetworkSet


def identify(
    endpoint: Endpoint,
    evidence: Evidence,
    sets: Mapping[tuple[str, str], NetworkSet],
    start: float,
    end: float,
) -> Who:
    """Who an endpoint was in [start, end] (epoch seconds): DESIGN.md §4, Who is who."""
    match kind_of(endpoint):
        case "wep":
            return possible_pods(endpoint, evidence, start, end)
        case "hep":
            return _host(endpoint, evidence, start, end)
        case "ns":
            return _network_set(endpoint, evidence, sets, start, end)
        case "net":
            return _network(endpoint)
        case _:
            return _unknown(endpoint, evidence, start, end)


def _host(endpoint: Endpoint, evidence: Evidence, start: float, end: float) -> Who:
    found = Found(networks_of((endpoint.ip,)))
    for version in alive(evidence.host_endpoints, start, end):
        host = version.fact
        ports = tuple(sorted(NamedPort(*port) for port in host.ports))
        found.add(Identity("hep", sorted_labels(host.labels), ports), host.ips)
    if not found.identities:
        labels = sorted_labels(labels_of(endpoint.labels) or {})
        identity = Identity("hep", labels, open_prefixes=("",), open_ports=True, closed_prefixes=INHERITED)
        found.add(identity, lacks=("host_endpoint",))
    return found.who("host_endpoint")


def _network_set(
    endpoint: Endpoint,
    evidence: Evidence,
    sets: Mapping[tuple[str, str], NetworkSet],
    start: float,
    end: float,
) -> Who:
    """An address within a set is in every set that contains it, so it needs no identity; a set that
    the revision does not have is what the record says of it."""
    address = networks_of((endpoint.ip,))
    known = sets.get((endpoint.namespace, endpoint.name or endpoint.name_aggr))
    if known:
        return who_of([Candidate(None, address or ordered(known.nets))])
    found = Found(address)
    own = labels_of(endpoint.labels) or {}
    options = [Inherited({})]
    if endpoint.namespace:
        own |= {NAMESPACE: endpoint.namespace}
        options = namespace_options(endpoint.namespace, evidence.namespaces, start, end)
    for option in options:
        closed = tuple(prefix for prefix in (*INHERITED, NAMESPACE) if prefix not in option.open)
        labels = sorted_labels(option.labels | own)
        identity = Identity("ns", labels, open_prefixes=("",), closed_prefixes=closed)
        found.add(identity, lacks=(*option.missing, "network_set"))
    return found.who("network_set")


def _network(endpoint: Endpoint) -> Who:
    """A plain address; without it, one of its region that was in no set that the node knew."""
    address = networks_of((endpoint.ip,))
    return who_of([Candidate(None, address or REGIONS.get(endpoint.name_aggr, ()), outside_sets=not address)])


def _unknown(endpoint: Endpoint, evidence: Evidence, start: float, end: float) -> Who:
    """A record that does not say what its endpoint is: no endpoint, or a workload of its namespace."""
    found = Found(networks_of((endpoint.ip,)))
    if endpoint.namespace:
        add_recorded_pod(found, endpoint, labels_of(endpoint.labels), evidence, start, end)
    recorded = found.who("pod")
    plain = Candidate(None, found.address)
    return who_of([plain, *recorded.candidates], {*recorded.missing, "type"})
