"""Who can talk to whom: the pods and hosts that are known, and a class of outside addresses per net."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from pipeline.addresses import network_of
from pipeline.decode import decode
from pipeline.facts import Facts
from pipeline.flow import FlowBatch, Message
from pipeline.identity import Slice
from pipeline.match.addresses import ROOTS, AddressSpace
from pipeline.match.table import nets_of, rules_of
from pipeline.policy.facts_resources import Pod
from pipeline.policy.policies import Address, Network, Policies
from pipeline.workload import workload_of

type Kind = str  # wep, hep or net, as in flow logs


@dataclass(frozen=True, slots=True)
class Known:
    """One address of a pod, of a host, or of a class of addresses outside; `group` is what people call it.

    `ip` "" where nobody knows a pod's address; `version` 4, 6, or 0 then. `domain`: the name that an
    outside address was resolved by.
    """

    kind: Kind
    group: str
    namespace: str
    name: str
    ip: str
    version: int
    domain: str = ""


def known_endpoints(
    facts: Sequence[Facts], policies: Sequence[Policies], slices: Iterable[Slice], now: float
) -> list[Known]:
    """The pods and hosts that any of `facts` knows to be there `now` (epoch seconds), and all outside of
    them that any of the policies can tell apart."""
    pods = {
        (v.fact.namespace, v.fact.name): v.fact for f in facts for v in f.pods() if v.since <= now < v.until
    }
    inside = [one for pod in pods.values() for one in _of_pod(pod)]
    hosts = {host.name: host for each in facts for host in each.hosts()}
    for host in hosts.values():
        inside += [Known("hep", f"host {host.name}", "", host.name, ip, _version(ip)) for ip in host.ips]
    return [*inside, *_outside(inside, policies, slices)]


def records_of(endpoints: Iterable[Known], now: float) -> FlowBatch:
    """A record for each endpoint, of which it is source and destination, `now` (epoch seconds)."""
    lines = [msgspec.json.encode(_record(endpoint, now)) for endpoint in endpoints]
    return decode([Message(line, "known", 0, at, int(now * 1000)) for at, line in enumerate(lines)]).batch


def _record(endpoint: Known, now: float) -> dict[str, Any]:
    fields = {
        "type": endpoint.kind,
        "namespace": endpoint.namespace or "-",
        "name": endpoint.name or "-",
        "name_aggr": endpoint.name or "pub",
        "ip": endpoint.ip or None,
    }
    both = {f"{side}_{key}": value for side in ("source", "dest") for key, value in fields.items()}
    domains = [endpoint.domain] if endpoint.domain else []
    return {"start_time": now, "end_time": now, "reporter": "src", **both, "dest_domains": domains}


def _of_pod(pod: Pod) -> Iterator[Known]:
    labels = [f"{key}={value}" for key, value in pod.labels.items()]
    group = f"{pod.namespace}/{workload_of(pod.generate_name or pod.name, labels)}"
    for ip in pod.ips or ("",):
        yield Known("wep", group, pod.namespace, pod.name, ip, _version(ip))


def _version(ip: str) -> int:
    net = network_of(ip)
    return net.version if net else 0


def _outside(
    inside: Iterable[Known], policies: Sequence[Policies], slices: Iterable[Slice]
) -> Iterator[Known]:
    taken = {net for one in inside if (net := network_of(one.ip))}
    rules = [rule for each in policies for rule in rules_of(each.policies)]
    sets = [known for each in policies for known in each.network_sets]
    nets = {
        *nets_of(rules),
        *chain(*(known.nets for known in sets)),
        *chain(*(piece.nets for piece in slices)),
    }
    found = _one_of_each(nets, taken)
    for net, address in found.items():
        yield Known("net", str(net), "", "", str(address), net.version)
    matches = [match for rule in rules for match in (rule.source, rule.destination)]
    domains = {domain for match in matches for domain in match.domains}
    domains |= {domain for known in sets for domain in known.domains}
    for root in ROOTS:
        for domain in sorted(domains if root in found else ()):
            name = domain.replace("*", "any")
            yield Known("net", f"domain {domain}", "", "", str(found[root]), root.version, name)


def _one_of_each(nets: Iterable[Network], taken: set[Network]) -> dict[Network, Address]:
    """An address of each elementary class, by the innermost net around it; none where all are taken."""
    every = {*nets, *ROOTS, *taken}
    space = AddressSpace(every)
    found: dict[Network, Address] = {}
    for net in sorted(every, key=lambda n: (n.version, int(n.network_address), n.prefixlen)):
        first, last = int(net.network_address), int(net.broadcast_address)
        for point in (first, last, first - 1, last + 1):
            if 0 <= point < 1 << net.max_prefixlen:
                address = type(net.network_address)(point)
                innermost = space.chain(space.class_of(address))[0]
                if innermost not in taken:
                    found.setdefault(innermost, address)
    return found
