"""The sample cluster's facts as Kubernetes writes them, as `kubectl get … -o yaml` would give."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from deploy.demo.cluster import Cluster, Node, Pod
from deploy.demo.inventory import NAMESPACES, WORKLOADS, Labels

type Manifest = dict[str, Any]


def write_facts(cluster: Cluster, directory: Path) -> None:
    """Write one file a kind into `directory`, which is made where it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        "namespaces": _namespaces(),
        "service-accounts": _service_accounts(),
        "pods": [_pod(pod) for pod in cluster.pods],
        "host-endpoints": [_host_endpoint(node) for node in cluster.nodes],
        "endpoint-slices": _endpoint_slices(cluster),
    }
    for name, manifests in files.items():
        text = yaml.dump_all(manifests, Dumper=yaml.CSafeDumper, sort_keys=False)
        (directory / f"{name}.yaml").write_text(text)


def _meta(name: str, namespace: str | None = None, **more: object) -> Manifest:
    return {"name": name} | ({"namespace": namespace} if namespace else {}) | more


def _namespaces() -> list[Manifest]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": _meta(name, labels=labels | {"kubernetes.io/metadata.name": name}),
        }
        for name, labels in NAMESPACES.items()
    ]


def _service_accounts() -> list[Manifest]:
    accounts = {(w.namespace, w.account) for w in WORKLOADS} | {(name, "default") for name in NAMESPACES}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(name, namespace)}
        for namespace, name in sorted(accounts)
    ]


def _pod(pod: Pod) -> Manifest:
    times = {"creationTimestamp": _time(pod.created)}
    if pod.deleted is not None:
        times["deletionTimestamp"] = _time(pod.deleted)
    ports = [
        {"name": port.name, "containerPort": port.number, "protocol": port.protocol}
        for port in pod.workload.ports
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _meta(
            pod.name,
            pod.workload.namespace,
            generateName=pod.generate_name,
            uid=pod.uid,
            labels=dict(sorted(pod.labels.items())),
            ownerReferences=[_owner(pod)],
            **times,
        ),
        "spec": {
            "serviceAccountName": pod.workload.account,
            "nodeName": pod.node.name,
            "containers": [{"name": "server", "ports": ports}],
        }
        | ({"hostNetwork": True} if pod.workload.host_network else {}),
        "status": {
            "phase": "Running",
            "hostIP": pod.node.ip,
            "hostIPs": [{"ip": pod.node.ip}],
            "podIP": pod.ip,
            "podIPs": [{"ip": pod.ip}],
        },
    }


def _owner(pod: Pod) -> Manifest:
    """A Deployment owns its pods through a ReplicaSet, a CronJob through a Job."""
    group = "batch/v1" if pod.workload.kind == "Job" else "apps/v1"
    kind = "ReplicaSet" if pod.workload.kind == "Deployment" else pod.workload.kind
    own_name = pod.workload.kind in {"Deployment", "Job"}
    name = pod.generate_name.removesuffix("-") if own_name else pod.workload.name
    return {"apiVersion": group, "kind": kind, "name": name, "controller": True}


def _host_endpoint(node: Node) -> Manifest:
    """The host endpoint that Calico makes of a node by itself where it is asked to."""
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "HostEndpoint",
        "metadata": _meta(host_endpoint_name(node), labels=host_endpoint_labels(node)),
        "spec": {"node": node.name, "interfaceName": "*", "expectedIPs": [node.ip]},
    }


def host_endpoint_name(node: Node) -> str:
    return f"{node.name}-auto-hep"


def host_endpoint_labels(node: Node) -> Labels:
    return {
        "kubernetes.io/hostname": node.name,
        "projectcalico.org/created-by": "calico-kube-controllers",
        "topology.kubernetes.io/zone": node.zone,
    }


def _endpoint_slices(cluster: Cluster) -> list[Manifest]:
    behind: dict[str, list[Pod]] = defaultdict(list)
    for pod in cluster.pods:
        if pod.workload.service and pod.deleted is None:
            behind[pod.workload.key].append(pod)
    return [_endpoint_slice(pods) for pods in behind.values()]


def _endpoint_slice(pods: Iterable[Pod]) -> Manifest:
    pods = list(pods)
    workload = pods[0].workload
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _meta(
            f"{workload.service}-{pods[0].uid[:5]}",
            workload.namespace,
            labels={"kubernetes.io/service-name": workload.service},
        ),
        "addressType": "IPv4",
        "endpoints": [{"addresses": [pod.ip], "nodeName": pod.node.name} for pod in pods],
        "ports": [
            {"name": port.name, "port": port.number, "protocol": port.protocol} for port in workload.ports
        ],
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
