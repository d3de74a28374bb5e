"""Objects of a cluster for tests, each with a number in it that tells one state of it from another."""

from typing import Any

type Manifest = dict[str, Any]

CALICO = "projectcalico.org/v3"


def calico(kind: str, name: str, number: int, namespace: str | None = None) -> Manifest:
    """A policy, or a set, of Calico's."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    if kind.endswith("NetworkSet"):
        spec: Manifest = {"nets": [f"10.{number >> 8 & 255}.{number & 255}.0/24"]}
    elif kind == "Tier":
        spec = {"order": number}
    else:
        spec = {"order": number, "types": ["Ingress"], "ingress": [{"action": "Allow"}]}
    return {"apiVersion": CALICO, "kind": kind, "metadata": metadata, "spec": spec}


def network_policy(name: str, number: int, namespace: str) -> Manifest:
    """Kubernetes' own."""
    ports = [{"port": number + 1}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports}]},
    }


def number_of(manifest: Manifest) -> int:
    """The number in it."""
    spec = manifest["spec"]
    if nets := spec.get("nets"):
        _, high, low, _ = nets[0].split(".")
        return int(high) << 8 | int(low)
    if "order" in spec:
        return int(spec["order"])
    return int(spec["ingress"][0]["ports"][0]["port"]) - 1


def namespace(name: str, **labels: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name: str, in_namespace: str, **labels: str) -> Manifest:
    container = {"name": "main", "image": "none", "ports": [{"name": "http", "containerPort": 8080}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": in_namespace, "labels": labels},
        "spec": {"containers": [container], "nodeName": "node-1"},
    }
