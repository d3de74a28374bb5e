"""What Kubernetes takes as roles and their bindings, rbac.authorization.k8s.io/v1 (CALICO.md §8)."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.policy import schema
from pipeline.policy.problems import Finding
from pipeline.policy.schema import SUBDOMAIN, Model, inside
from pipeline.policy.schema_kubernetes import LabelSelector

GROUP = "rbac.authorization.k8s.io"


def path_name(text: str) -> str:
    """A name as RBAC takes it: whatever can stand between two slashes of a path (system:node, Admins)."""
    if text in ("", ".", "..") or "/" in text or "%" in text:
        raise ValueError(f"name {text[:80]!r} must not be empty, '.' or '..', nor have '/' or '%' in it")
    return text


type PathName = Annotated[str, AfterValidator(path_name)]
type Texts = list[str] | None


class Metadata(schema.Metadata):
    """As of other resources, but that names have more letters."""

    name: PathName


class Manifest(schema.Manifest):
    """A role or a binding."""

    metadata: Metadata


class Rule(Model):
    """Who holds it may do these verbs on these resources."""

    verbs: Annotated[list[str], Field(min_length=1)]
    api_groups: Texts = None
    resources: Texts = None
    resource_names: Texts = None
    non_resource_urls: Texts = Field(default=None, alias="nonResourceURLs")

    def checks(self) -> Iterable[Finding]:
        if self.non_resource_urls:
            if self.api_groups or self.resources or self.resource_names:
                yield ("nonResourceURLs",), "cannot stand beside apiGroups, resources or resourceNames"
            return
        for name, value in (("apiGroups", self.api_groups), ("resources", self.resources)):
            if not value:
                yield (name,), "must name at least one"


def _rules(rules: Sequence[Rule] | None) -> Iterable[Finding]:
    for index, rule in enumerate(rules or ()):
        yield from inside("rules", inside(index, rule.checks()))


class Role(Manifest):
    """Rules for one namespace."""

    rules: list[Rule] | None = None

    def checks(self) -> Iterable[Finding]:
        yield from _rules(self.rules)
        for index, rule in enumerate(self.rules or ()):
            if rule.non_resource_urls:
                yield ("rules", index, "nonResourceURLs"), "are only for a ClusterRole"


class AggregationRule(Model):
    """The rules are those of all ClusterRoles that one of the selectors selects."""

    cluster_role_selectors: Annotated[list[LabelSelector], Field(min_length=1)]

    def checks(self) -> Iterable[Finding]:
        for index, selector in enumerate(self.cluster_role_selectors):
            yield from inside("clusterRoleSelectors", inside(index, selector.checks()))


class ClusterRole(Manifest):
    """Rules for the whole cluster, or for the namespaces whose RoleBindings name it."""

    rules: list[Rule] | None = None
    aggregation_rule: AggregationRule | None = None

    def checks(self) -> Iterable[Finding]:
        yield from _rules(self.rules)
        if self.aggregation_rule:
            yield from inside("aggregationRule", self.aggregation_rule.checks())


class Subject(Model):
    """Who is bound; an apiGroup that is left out is the right one."""

    kind: Literal["User", "Group", "ServiceAccount"]
    name: Annotated[str, Field(min_length=1)]
    namespace: str | None = None
    api_group: str | None = None

    def checks(self) -> Iterable[Finding]:
        right = "" if self.kind == "ServiceAccount" else GROUP
        if self.api_group and self.api_group != right:
            yield ("apiGroup",), f"of a {self.kind} must be {right!r}, not {self.api_group!r}"
        if self.kind == "ServiceAccount" and not SUBDOMAIN.match(self.name):
            yield ("name",), f"name {self.name[:80]!r} must be lower case letters, digits, '-' and '.'"


class RoleRef(Model):
    """The role that is bound."""

    kind: Literal["Role", "ClusterRole"]
    name: PathName
    api_group: str | None = None

    def checks(self) -> Iterable[Finding]:
        if self.api_group and self.api_group != GROUP:
            yield ("apiGroup",), f"must be {GROUP!r}, not {self.api_group!r}"


class RoleBinding(Manifest):
    """Binds a Role or a ClusterRole in one namespace."""

    role_ref: RoleRef
    subjects: list[Subject] | None = None

    def checks(self) -> Iterable[Finding]:
        yield from inside("roleRef", self.role_ref.checks())
        for index, subject in enumerate(self.subjects or ()):
            yield from inside("subjects", inside(index, subject.checks()))


class ClusterRoleBinding(RoleBinding):
    """Binds a ClusterRole in the whole cluster."""

    def checks(self) -> Iterable[Finding]:
        yield from super().checks()
        if self.role_ref.kind != "ClusterRole":
            yield ("roleRef", "kind"), "must be ClusterRole: a Role is of one namespace"
        for index, subject in enumerate(self.subjects or ()):
            if subject.kind == "ServiceAccount" and not subject.namespace:
                yield ("subjects", index, "namespace"), "required of a ServiceAccount here"
