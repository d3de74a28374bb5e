"""Whether somebody may do something to a policy: Kubernetes' RBAC, and Calico's for tiers (CALICO.md §8)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from pipeline.policy.policies import MODEL_KINDS, PolicyKey
from pipeline.policy.rbac import Grant, Request, Rights
from pipeline.policy.resources import CALICO, Document
from pipeline.policy.schema_rbac import GROUP as RBAC

type Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]

VERBS: tuple[Verb, ...] = get_args(Verb.__value__)
EVERY = ".*"  # after a tier's name: all policies of it
NAMELESS: frozenset[Verb] = frozenset({"list", "watch", "create", "deletecollection"})


class Served(NamedTuple):
    """Where a kind is served, and whether it is of tiers."""

    group: str
    resource: str
    namespaced: bool = False
    tiered: bool = False


# By the kind that resource keys have.
SERVED: Mapping[str, Served] = {
    "Tier": Served(CALICO, "tiers"),
    "GlobalNetworkPolicy": Served(CALICO, "globalnetworkpolicies", tiered=True),
    "NetworkPolicy": Served(CALICO, "networkpolicies", namespaced=True, tiered=True),
    "StagedGlobalNetworkPolicy": Served(CALICO, "stagedglobalnetworkpolicies", tiered=True),
    "StagedNetworkPolicy": Served(CALICO, "stagednetworkpolicies", namespaced=True, tiered=True),
    "StagedKubernetesNetworkPolicy": Served(CALICO, "stagedkubernetesnetworkpolicies", namespaced=True),
    "KubernetesNetworkPolicy": Served("networking.k8s.io", "networkpolicies", namespaced=True),
    "KubernetesClusterNetworkPolicy": Served("policy.networking.k8s.io", "clusternetworkpolicies"),
    "GlobalNetworkSet": Served(CALICO, "globalnetworksets"),
    "NetworkSet": Served(CALICO, "networksets", namespaced=True),
    "Role": Served(RBAC, "roles", namespaced=True),
    "ClusterRole": Served(RBAC, "clusterroles"),
    "RoleBinding": Served(RBAC, "rolebindings", namespaced=True),
    "ClusterRoleBinding": Served(RBAC, "clusterrolebindings"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What it is done to: `kind` as resource keys have it, `namespace` "" for all of them or the cluster,
    `name` "" for any. `tiers` are those touched: two where a policy moves, none where the kind has none."""

    kind: str
    namespace: str = ""
    name: str = ""
    tiers: tuple[str, ...] = ()

    @classmethod
    def of_policy(cls, key: PolicyKey, *tiers: str) -> "Target":
        """A policy in its tier, or on its way from one to another; a kind that has none leaves them out."""
        kind = MODEL_KINDS[key.kind]
        return cls(kind, key.namespace, key.name, tuple(dict.fromkeys(tiers)) if SERVED[kind].tiered else ())

    @classmethod
    def of_document(cls, key: str, document: Document) -> "Target":
        """A resource that was loaded, by its key and document."""
        kind, namespace, name = key.split("/", 2)
        tiers = (document["spec"].get("tier") or "default",) if SERVED[kind].tiered else ()
        return cls(kind, namespace, name, tiers)


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission that is needed: any of the requests is enough.

    `grant` is what gives it; `in_vain` a rule that would, if the request had the policy's name.
    """

    requests: tuple[Request, ...]
    grant: Grant | None
    in_vain: Grant | None = None

    def __str__(self) -> str:
        """As people say it: `update networkpolicies.projectcalico.org named "p" in namespace shop`."""
        first = self.requests[0]
        names = " or ".join(
            f'named "{request.name}"' if request.name else "of any name" for request in self.requests
        )
        served = next((each for each in SERVED.values() if _is_served(each, first)), None)
        scope = f" in namespace {first.namespace}" if first.namespace else ""
        if served and served.namespaced and not first.namespace:
            scope = " in all namespaces"
        return f"{first.verb} {first.resource}.{first.group} {names}{scope}"


def _is_served(served: Served, request: Request) -> bool:
    return (served.group, served.resource) == (request.group, request.resource.removeprefix("tier."))


@dataclass(frozen=True, slots=True)
class Answer:
    """The permissions needed, each with what grants it."""

    permissions: tuple[Permission, ...]

    @property
    def allowed(self) -> bool:
        return not self.lacking

    @property
    def lacking(self) -> tuple[Permission, ...]:
        """The permissions that are needed and nothing grants."""
        return tuple(each for each in self.permissions if each.grant is None)


def can_i(rights: Rights, verb: Verb, target: Target) -> Answer:
    """Whether the verb may be done to the target (CALICO.md §8).

    Everything needs Kubernetes' own permission on the resource. A policy of a tier also needs, for each tier
    that it touches, get on the tier and the verb on the pseudo-resource `tier.RESOURCE`, named as the policy
    or `TIER.*`. A create, list, watch or deletecollection has no name, so that rules with the policy's name
    never grant it. A target without tiers needs Kubernetes' own permission alone.
    """
    served = SERVED[target.kind]
    name = "" if verb in NAMELESS else target.name

    def need(verb: str, resource: str, names: Sequence[str], namespace: str = target.namespace) -> Permission:
        asked = [Request(verb, served.group, resource, name, namespace) for name in names]
        grant = next(filter(None, map(rights.grant, asked)), None)
        tried = Request(verb, served.group, resource, target.name, namespace)
        nameless = grant is None and target.name and "" in names
        return Permission(tuple(asked), grant, rights.grant(tried) if nameless else None)

    needed = [need(verb, served.resource, [name])]
    for tier in target.tiers:
        needed.append(need("get", "tiers", [tier], ""))
        needed.append(need(verb, f"tier.{served.resource}", [name, tier + EVERY]))
    return Answer(tuple(needed))
