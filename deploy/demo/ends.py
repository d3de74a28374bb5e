"""The ends of a connection: what a flow log says of them, and what policies can see of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import orjson

from deploy.demo.cluster import Node, Pod
from deploy.demo.inventory import NAMESPACES, Labels, Outside
from deploy.demo.manifests import host_endpoint_labels, host_endpoint_name
from pipeline.identity import Identity, NamedPort
from pipeline.match.reference import Party

_PROTOCOLS = {"TCP": 6, "UDP": 17}


@dataclass(frozen=True, slots=True)
class End:
    """One address that sends or receives; `node` is where flow logs of it are written, if anywhere."""

    type: str
    namespace: str
    name: str
    name_aggr: str
    labels: Labels
    party: Party
    domains: tuple[str, ...] = ()
    node: Node | None = None


def pod_end(pod: Pod) -> End:
    """A pod as an end: a workload that its node reports."""
    party = Party(_pod_identity(pod), ip_address(pod.ip))
    aggregated = f"{pod.generate_name}*"
    namespace = pod.workload.namespace
    return End("wep", namespace, pod.name, aggregated, pod.labels, party, node=pod.node)


def host_end(node: Node) -> End:
    """A node as an end: its host endpoint, of which open source Calico writes no flow logs."""
    labels = host_endpoint_labels(node)
    identity = Identity("hep", tuple(sorted(labels.items())))
    return End("hep", "-", host_endpoint_name(node), node.name, labels, Party(identity, ip_address(node.ip)))


def outside_ends(outside: Outside) -> list[End]:
    """Each address of an outside as an end; its network set is found by address, as the nodes do."""
    return [
        End(
            outside.type,
            "-",
            "-",
            outside.name_aggr,
            outside.labels,
            Party(None, ip_address(address), outside.domains),
            outside.domains,
        )
        for address in outside.addresses
    ]


def _pod_identity(pod: Pod) -> Identity:
    """What selectors see of a pod: its own labels and the inherited ones (CALICO.md §2.6)."""
    namespace, account = pod.workload.namespace, pod.workload.account
    of_namespace = NAMESPACES[namespace] | {
        "kubernetes.io/metadata.name": namespace,
        "projectcalico.org/name": namespace,
    }
    labels = pod.labels | {
        "projectcalico.org/namespace": namespace,
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": account,
        "pcsa.projectcalico.org/name": account,
    }
    labels |= {f"pcns.{key}": value for key, value in of_namespace.items()}
    return Identity(
        "wep",
        tuple(sorted(labels.items())),
        tuple(NamedPort(p.name, _PROTOCOLS[p.protocol], p.number) for p in pod.workload.ports),
        (f"kns.{namespace}", f"ksa.{namespace}.{account}"),
    )


def one(end: End, side: str) -> bytes:
    """The members of a record, without braces, for an end that the record names; side: source or dest."""
    return _members(end, side, str(end.party.address), end.name, end.labels)


def all_of(ends: Sequence[End], side: str) -> bytes:
    """The same for ends of one aggregated name: the labels are those that all of them have."""
    common = dict(set.intersection(*(set(end.labels.items()) for end in ends)))
    return _members(ends[0], side, None, "-", common)


def _members(end: End, side: str, ip: str | None, name: str, labels: Labels) -> bytes:
    listed = [f"{k}={v}" for k, v in sorted(labels.items()) if not k.startswith("projectcalico.org/")]
    members = {
        f"{side}_ip": ip,
        f"{side}_name": name,
        f"{side}_name_aggr": end.name_aggr,
        f"{side}_namespace": end.namespace,
        f"{side}_type": end.type,
        f"{side}_labels": None if end.type == "net" else {"labels": listed},
    }
    return orjson.dumps(members)[1:-1]
