"""Roles and bindings as manifests ▸ their plain form."""

from collections.abc import Sequence

from pipeline.policy import schema_rbac as rbac
from pipeline.policy.convert_kubernetes import label_selector
from pipeline.policy.rbac_resources import Binding, RbacRule, Role, Subject, role_key


def role(manifest: rbac.Role, namespace: str) -> Role:
    """A Role."""
    return Role(namespace, manifest.metadata.name, _rules(manifest.rules))


def cluster_role(manifest: rbac.ClusterRole, _: str) -> Role:
    """A ClusterRole."""
    aggregated = manifest.aggregation_rule
    selectors = aggregated.cluster_role_selectors if aggregated else ()
    return Role(
        namespace="",
        name=manifest.metadata.name,
        rules=_rules(manifest.rules),
        labels=manifest.metadata.labels or {},
        aggregates=tuple(map(label_selector, selectors)) if aggregated else None,
    )


def binding(manifest: rbac.RoleBinding, namespace: str) -> Binding:
    """A RoleBinding, or a ClusterRoleBinding where the namespace is ""."""
    reference = manifest.role_ref
    return Binding(
        namespace=namespace,
        name=manifest.metadata.name,
        role=role_key(reference.kind, namespace, reference.name),
        subjects=tuple(_subject(subject, namespace) for subject in manifest.subjects or ()),
    )


def _rules(rules: Sequence[rbac.Rule] | None) -> tuple[RbacRule, ...]:
    """In the indexes that they are written in: one for URLs only is there, and allows nothing."""
    return tuple(
        RbacRule(
            verbs=tuple(rule.verbs),
            groups=tuple(rule.api_groups or ()),
            resources=tuple(rule.resources or ()),
            names=tuple(rule.resource_names or ()),
        )
        for rule in rules or ()
    )


def _subject(subject: rbac.Subject, namespace: str) -> Subject:
    if subject.kind == "ServiceAccount":
        return Subject("ServiceAccount", subject.name, subject.namespace or namespace)
    return Subject(subject.kind, subject.name)
