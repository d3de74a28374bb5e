"""Calico policies as manifests ▸ plain policies with rewritten selectors (CALICO.md §2.4, §2.5, §3.1)."""

from collections.abc import Sequence
from functools import lru_cache

from pipeline.policy import schema_calico as calico
from pipeline.policy import schema_rules as rules
from pipeline.policy.policies import (
    ANY_ENTITY,
    Action,
    Direction,
    EntityMatch,
    NetworkSet,
    Policy,
    PolicyKey,
    PolicyKind,
    Rule,
    Tier,
)
from pipeline.policy.selector import (
    ALL,
    GLOBAL,
    Selector,
    all_of,
    has,
    label_equals,
    label_in,
    negate,
    replacing,
    with_prefix,
)

NAMESPACE = "projectcalico.org/namespace"
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"
IN_A_NAMESPACE: dict[Selector, Selector] = {ALL: has(NAMESPACE)}
OF_A_SERVICE_ACCOUNT: dict[Selector, Selector] = {ALL: has(SERVICE_ACCOUNT)}
NAMESPACE_WORDS: dict[Selector, Selector] = {**IN_A_NAMESPACE, GLOBAL: negate(has(NAMESPACE))}
ACTIONS: dict[str, Action] = {"Allow": "allow", "Deny": "deny", "Pass": "pass", "Log": "log"}
DIRECTIONS: dict[str, Direction] = {"Ingress": "ingress", "Egress": "egress"}


def tier(manifest: calico.Tier) -> Tier:
    """The tier; any default action but Pass is Deny (CALICO.md §1)."""
    spec = manifest.spec
    return Tier(manifest.metadata.name, spec.order, "pass" if spec.default_action == "Pass" else "deny")


def network_set(manifest: calico.NetworkSet, namespace: str) -> NetworkSet:
    """The set; one of a namespace carries that as a label (CALICO.md §2.6)."""
    labels = dict(manifest.metadata.labels or {})
    if namespace:
        labels[NAMESPACE] = namespace
    spec = manifest.spec
    domains = tuple(spec.allowed_egress_domains)
    return NetworkSet(
        namespace, manifest.metadata.name, tuple(sorted(labels.items())), tuple(spec.nets), domains
    )


def policy(
    kind: PolicyKind, manifest: calico.NetworkPolicy | calico.GlobalNetworkPolicy, namespace: str
) -> Policy:
    """The policy of any Calico kind; `namespace` is "" for those of the whole cluster."""
    spec = manifest.spec
    workloads = True
    if isinstance(spec, calico.GlobalPolicySpec):
        workloads = not (spec.do_not_track or spec.pre_dnat)  # applyOnForward ones decide here too
        selector = global_policy_selector(
            spec.selector, spec.namespace_selector, spec.service_account_selector
        )
    else:
        selector = namespaced_policy_selector(spec.selector, spec.service_account_selector, namespace)
    return Policy(
        key=PolicyKey(kind, namespace, manifest.metadata.name),
        tier=spec.tier or "default",
        order=spec.order,
        selector=selector,
        types=policy_types(spec),
        ingress=tuple(rule(item, namespace) for item in spec.ingress),
        egress=tuple(rule(item, namespace) for item in spec.egress),
        staged_action=(isinstance(spec, calico.Staged) and spec.staged_action) or "Set",
        workloads=workloads,
    )


def policy_types(spec: calico.PolicySpec) -> frozenset[Direction]:
    """The directions that a policy governs, where it does not say so by its rules (CALICO.md §2.4)."""
    if spec.types:
        return frozenset(DIRECTIONS[name] for name in spec.types)
    if not spec.egress:
        return frozenset({"ingress"})
    return frozenset({"ingress", "egress"}) if spec.ingress else frozenset({"egress"})


def namespaced_policy_selector(
    selector: Selector | None, service_accounts: Selector | None, namespace: str
) -> Selector:
    """Which endpoints a policy of a namespace selects (CALICO.md §2.5)."""
    parts = [selector, label_equals(NAMESPACE, namespace)]
    if service_accounts:
        parts.append(with_prefix(service_accounts, "pcsa."))
    return all_of(*_present(parts))


def global_policy_selector(
    selector: Selector | None, namespaces: Selector | None, service_accounts: Selector | None
) -> Selector:
    """Which endpoints a policy of the whole cluster selects (CALICO.md §2.5)."""
    if namespaces:
        both = all_of(*_present([selector, with_prefix(namespaces, "pcns.")]))
        selector = replacing(both, IN_A_NAMESPACE)
    if service_accounts:
        both = all_of(*_present([selector, with_prefix(service_accounts, "pcsa.")]))
        selector = replacing(both, OF_A_SERVICE_ACCOUNT)
    return selector or ALL


def rule(written: rules.Rule, namespace: str) -> Rule:
    """A rule of a policy in `namespace` ("" = of the whole cluster)."""
    return Rule(
        action=ACTIONS[written.action],
        source=entity(written.source, namespace),
        destination=entity(written.destination, namespace),
        protocol=written.protocol.number if written.protocol else None,
        not_protocol=written.not_protocol.number if written.not_protocol else None,
        ip_version=written.ip_version or (written.protocol.family if written.protocol else None),
        icmp=_icmp(written.icmp),
        not_icmp=_icmp(written.not_icmp),
    )


def _icmp(fields: rules.Icmp | None) -> tuple[int | None, int | None] | None:
    return (fields.type, fields.code) if fields and fields.type is not None else None


def entity(written: rules.EntityRule, namespace: str) -> EntityMatch:
    """One side of a rule, its selectors made one (CALICO.md §3.1)."""
    if not written.model_fields_set:
        return ANY_ENTITY
    positive = _positive_selector(written, namespace)
    negative = written.not_selector
    if positive and negative:
        positive, negative = all_of(positive, negate(negative)), None
    match = EntityMatch(
        selector=positive,
        not_selector=negative,
        nets=tuple(written.nets),
        not_nets=tuple(written.not_nets),
        ports=ranges(written.ports),
        named_ports=names(written.ports),
        not_ports=ranges(written.not_ports),
        not_named_ports=names(written.not_ports),
        service=(written.services.namespace, written.services.name) if written.services else None,
        domains=tuple(written.domains),
    )
    return ANY_ENTITY if match == ANY_ENTITY else match


def ranges(ports: Sequence[tuple[int, int] | str]) -> tuple[tuple[int, int], ...]:
    """The numeric ones of ports."""
    return tuple([item for item in ports if isinstance(item, tuple)])


def names(ports: Sequence[tuple[int, int] | str]) -> tuple[str, ...]:
    """The named ones of ports."""
    return tuple([item for item in ports if isinstance(item, str)])


def _positive_selector(written: rules.EntityRule, namespace: str) -> Selector | None:
    own = _all_of_present(_service_accounts(written.service_accounts), written.selector)
    if not (own or written.not_selector or written.namespace_selector):
        return None
    if written.namespace_selector:
        return _all_of_present(in_namespaces(written.namespace_selector), own)
    return _all_of_present(label_equals(NAMESPACE, namespace), own) if namespace else own


@lru_cache(maxsize=1 << 14)
def in_namespaces(selector: Selector) -> Selector:
    """What a namespaceSelector of a rule selects; all() and global() get their meaning here."""
    return replacing(with_prefix(selector, "pcns."), NAMESPACE_WORDS)


def _service_accounts(accounts: rules.ServiceAccounts | None) -> Selector | None:
    if accounts is None:
        return None
    by_label = with_prefix(accounts.selector, "pcsa.") if accounts.selector else None
    by_name = label_in(SERVICE_ACCOUNT, accounts.names) if accounts.names else None
    return _all_of_present(by_label, by_name)


def _present(parts: Sequence[Selector | None]) -> list[Selector]:
    return [part for part in parts if part is not None]


@lru_cache(maxsize=1 << 14)
def _all_of_present(*parts: Selector | None) -> Selector | None:
    present = _present(parts)
    return all_of(*present) if present else None
