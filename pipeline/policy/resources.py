"""The kinds that are loaded: their schema, what of them has a meaning, and what they become."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from pipeline.policy import convert, convert_facts, convert_kubernetes, convert_rbac
from pipeline.policy import schema_calico as calico
from pipeline.policy import schema_facts as facts
from pipeline.policy import schema_kubernetes as kubernetes
from pipeline.policy import schema_rbac as rbac
from pipeline.policy.facts_resources import Fact
from pipeline.policy.policies import NetworkSet, Policy, PolicyKind, Tier
from pipeline.policy.rbac_resources import RbacObject

type Document = dict[str, Any]
type Said = Tier | Policy | NetworkSet
type Plain = Said | Fact | RbacObject
type Role = Literal["policy", "fact", "rbac"]
type Kept = bool | Mapping[str, "Kept"]  # what is kept of a mapping, or of each mapping in a list

CALICO = "projectcalico.org"
STORAGE = "crd.projectcalico.org"  # how Calico stores the same in custom resources
NAMED: Kept = dict.fromkeys(("name", "namespace"), True)
LABELLED: Kept = dict.fromkeys(("name", "namespace", "labels"), True)
POLICY: Kept = {"metadata": NAMED, "spec": True}
SET: Kept = {"metadata": LABELLED, "spec": True}
OBJECT: Kept = {"metadata": LABELLED}
CONTAINERS: Kept = {"ports": dict.fromkeys(("name", "containerPort", "protocol"), True)}
ENDED: Kept = {"state": {"terminated": {"finishedAt": True}}}
POD: Kept = {
    "metadata": dict.fromkeys(
        ("name", "namespace", "labels", "uid", "generateName", "creationTimestamp", "deletionTimestamp"), True
    ),
    "spec": {
        **dict.fromkeys(("serviceAccountName", "nodeName", "hostNetwork"), True),
        **dict.fromkeys(("containers", "initContainers"), CONTAINERS),
    },
    "status": {
        **dict.fromkeys(("phase", "podIP", "podIPs", "hostIP", "hostIPs"), True),
        "containerStatuses": ENDED,
    },
}
ROLE: Kept = {"metadata": LABELLED, "rules": True, "aggregationRule": True}
BINDING: Kept = {"metadata": NAMED, "roleRef": True, "subjects": True}
SLICE: Kept = {
    "metadata": LABELLED,
    "addressType": True,
    "endpoints": {"addresses": True},
    "ports": dict.fromkeys(("port", "protocol"), True),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource: `plain` makes the plain form from the checked manifest and the namespace."""

    group: str
    version: str
    name: str
    role: Role
    namespaced: bool
    schema: type[Any]
    kept: Kept
    plain: Callable[[Any, str], Plain]

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Resource[P]:
    """One resource as loaded: `key` names it, `document` is its manifest reduced to what has a meaning."""

    key: str
    document: Document
    plain: P


def resource_key(document: Document) -> str:
    """Kind/namespace/name, the kind as Calico stores it (CALICO.md §2.1), no namespace for cluster scope."""
    metadata = document["metadata"]
    kubernetes_own = document["apiVersion"].partition("/")[0].endswith("networking.k8s.io")
    kind = f"Kubernetes{document['kind']}" if kubernetes_own else document["kind"]
    return f"{kind}/{metadata.get('namespace', '')}/{metadata['name']}"


def canonical_json(document: Document) -> bytes:
    """The manifest as bytes that do not depend on how it was written."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def reduced(document: Document, kind: Kind, namespace: str) -> Document:
    """The manifest with only what has a meaning, in the API version that is served."""
    kept: Document = _keep(document, kind.kept)
    kept |= {"apiVersion": kind.api_version, "kind": kind.name}
    if kind.namespaced:
        kept["metadata"]["namespace"] = namespace
    else:
        kept["metadata"].pop("namespace", None)
    return kept


def _keep(value: Any, kept: Kept) -> Any:
    if isinstance(kept, bool) or value is None:
        return value
    if isinstance(value, list):
        return [_keep(item, kept) for item in value]
    return {field: _keep(value[field], part) for field, part in kept.items() if field in value}


def _calico(
    name: str, schema: type[Any], kept: Kept, plain: Callable[[Any, str], Plain], role: Role = "policy"
) -> Kind:
    namespaced = not name.startswith(("Tier", "Global", "StagedGlobal", "HostEndpoint"))
    return Kind(CALICO, "v3", name, role, namespaced, schema, kept, plain)


def _calico_policy(name: str, short: PolicyKind, schema: type[Any]) -> Kind:
    return _calico(
        name, schema, POLICY, lambda manifest, namespace: convert.policy(short, manifest, namespace)
    )


def _rbac(name: str, schema: type[Any], kept: Kept, plain: Callable[[Any, str], Plain]) -> Kind:
    return Kind(rbac.GROUP, "v1", name, "rbac", not name.startswith("Cluster"), schema, kept, plain)


KINDS = (
    _calico("Tier", calico.Tier, POLICY, lambda manifest, _: convert.tier(manifest)),
    _calico_policy("GlobalNetworkPolicy", "gnp", calico.GlobalNetworkPolicy),
    _calico_policy("NetworkPolicy", "np", calico.NetworkPolicy),
    _calico_policy("StagedGlobalNetworkPolicy", "sgnp", calico.StagedGlobalNetworkPolicy),
    _calico_policy("StagedNetworkPolicy", "snp", calico.StagedNetworkPolicy),
    _calico(
        "StagedKubernetesNetworkPolicy",
        kubernetes.StagedKubernetesNetworkPolicy,
        POLICY,
        convert_kubernetes.staged_network_policy,
    ),
    Kind(
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "policy",
        True,
        kubernetes.NetworkPolicy,
        POLICY,
        convert_kubernetes.network_policy,
    ),
    Kind(
        "policy.networking.k8s.io",
        "v1alpha2",
        "ClusterNetworkPolicy",
        "policy",
        False,
        kubernetes.ClusterNetworkPolicy,
        POLICY,
        lambda manifest, _: convert_kubernetes.cluster_network_policy(manifest),
    ),
    _calico("GlobalNetworkSet", calico.NetworkSet, SET, convert.network_set),
    _calico("NetworkSet", calico.NetworkSet, SET, convert.network_set),
    _calico("HostEndpoint", calico.HostEndpoint, SET, convert_facts.host_endpoint, "fact"),
    Kind("", "v1", "Namespace", "fact", False, facts.Namespace, OBJECT, convert_facts.namespace),
    Kind(
        "", "v1", "ServiceAccount", "fact", True, facts.ServiceAccount, OBJECT, convert_facts.service_account
    ),
    Kind("", "v1", "Pod", "fact", True, facts.Pod, POD, convert_facts.pod),
    Kind(
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "fact",
        True,
        facts.EndpointSlice,
        SLICE,
        convert_facts.endpoint_slice,
    ),
    _rbac("Role", rbac.Role, ROLE, convert_rbac.role),
    _rbac("ClusterRole", rbac.ClusterRole, ROLE, convert_rbac.cluster_role),
    _rbac("RoleBinding", rbac.RoleBinding, BINDING, convert_rbac.binding),
    _rbac("ClusterRoleBinding", rbac.ClusterRoleBinding, BINDING, convert_rbac.binding),
)

BY_NAME = {(kind.group, kind.name): kind for kind in KINDS}


def find(api_version: str, name: str) -> Kind | None:
    """The kind that a manifest says it is, whatever the version; None for kinds that are not loaded."""
    group = api_version.rpartition("/")[0]
    return BY_NAME.get((CALICO if group == STORAGE else group, name))


def known(name: object) -> bool:
    """Whether a policy's or a fact's kind of that name is loaded, of whatever API group."""
    return any(kind.name == name for kind in KINDS if kind.role != "rbac")


def served(kind: Kind) -> tuple[str, ...]:
    """The API versions that the kind may be written in."""
    return (kind.api_version, f"{STORAGE}/v1") if kind.group == CALICO else (kind.api_version,)
