"""The plain form of roles and their bindings, and the roles that every Kubernetes has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.policy.selector import Selector, label_equals

CLUSTER_ROLE = "ClusterRole"


@dataclass(frozen=True, slots=True)
class RbacRule:
    """Verbs on resources of API groups; no `names` = whatever they are called."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """A Role, or a ClusterRole (namespace ""). Where `aggregates` is given, the rules are those of the
    ClusterRoles whose labels one of these selectors selects, and `rules` do not count."""

    namespace: str
    name: str
    rules: tuple[RbacRule, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    aggregates: tuple[Selector, ...] | None = None

    @property
    def key(self) -> str:
        """Its resource key, which bindings name it by."""
        return role_key("Role" if self.namespace else CLUSTER_ROLE, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is bound; `namespace` of a ServiceAccount."""

    kind: Literal["User", "Group", "ServiceAccount"]
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A RoleBinding, or a ClusterRoleBinding (namespace ""); `role` is the role's resource key."""

    namespace: str
    name: str
    role: str
    subjects: tuple[Subject, ...] = ()

    @property
    def key(self) -> str:
        """Its resource key."""
        return f"{'RoleBinding' if self.namespace else 'ClusterRoleBinding'}/{self.namespace}/{self.name}"


type RbacObject = Role | Binding


def role_key(kind: str, namespace: str, name: str) -> str:
    """The resource key of a role, seen from a namespace."""
    return f"{kind}/{'' if kind == CLUSTER_ROLE else namespace}/{name}"


_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_POLICIES = (("networking.k8s.io",), ("networkpolicies",))
_ROLES = (("rbac.authorization.k8s.io",), ("rolebindings", "roles"))
_LABEL = "rbac.authorization.k8s.io/aggregate-to-"


def _aggregated(name: str, *into: str) -> Role:
    labels = {_LABEL + other: "true" for other in into}
    return Role("", name, labels=labels, aggregates=(label_equals(_LABEL + name, "true"),))


def _part(name: str, *rules: RbacRule) -> Role:
    return Role("", f"system:aggregate-to-{name}", rules, {_LABEL + name: "true"})


# Kubernetes makes them itself; here with what they say of policies and of RBAC (1.36).
DEFAULT_ROLES = (
    Role("", "cluster-admin", (RbacRule(("*",), ("*",), ("*",)),)),
    _aggregated("admin"),
    _aggregated("edit", "admin"),
    _aggregated("view", "edit"),
    _part("admin", RbacRule((*_READ, *_WRITE), *_ROLES)),
    _part("edit", RbacRule(_WRITE, *_POLICIES)),
    _part("view", RbacRule(_READ, *_POLICIES)),
)
