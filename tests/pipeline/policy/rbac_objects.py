"""Roles, bindings and requests as hypothesis draws them: few names, so that they meet."""

from hypothesis import strategies as st

from pipeline.policy.can_i import SERVED, VERBS, Target
from pipeline.policy.rbac import Request, Who
from pipeline.policy.rbac_resources import Binding, RbacRule, Role, Subject, role_key
from pipeline.policy.selector import label_equals

TIERS = ("apps", "security")
NAMESPACES = ("shop", "other")
NAMES = ("p", "apps.p", "tiers")
RESOURCES = ("tiers", "networkpolicies", "tier.networkpolicies", "globalnetworkpolicies", "tiers/status")
GROUPS = ("projectcalico.org", "networking.k8s.io")


def some[T](items: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(items, min_size=1, max_size=3).map(tuple)


rules = st.builds(
    RbacRule,
    verbs=some(st.sampled_from(("*", *VERBS))),
    groups=some(st.sampled_from(("*", *GROUPS))),
    resources=some(st.sampled_from(("*", *RESOURCES, "tier.globalnetworkpolicies", "*/status"))),
    names=st.just(()) | some(st.sampled_from((*NAMES, *TIERS, *(f"{tier}.*" for tier in TIERS)))),
)
role_names = st.sampled_from(("a", "b", "c"))
values = st.sampled_from(("x", "y"))
roles = st.builds(Role, st.sampled_from(NAMESPACES), role_names, some(rules))
cluster_roles = st.builds(
    Role,
    st.just(""),
    role_names,
    some(rules),
    st.dictionaries(st.just("part"), values),
    st.none() | some(values.map(lambda value: label_equals("part", value))),
)
subjects = st.sampled_from(
    (
        Subject("User", "ann"),
        Subject("Group", "devs"),
        Subject("ServiceAccount", "flux", "other"),
        Subject("Group", "system:authenticated"),
        Subject("Group", "system:serviceaccounts:other"),
    )
)
bindings = st.builds(
    lambda namespace, name, kind, role, bound: Binding(
        namespace, name, role_key(kind if namespace else "ClusterRole", namespace, role), bound
    ),
    st.sampled_from(("", *NAMESPACES)),
    st.text("abc", min_size=1, max_size=3),
    st.sampled_from(("Role", "ClusterRole")),
    role_names,
    some(subjects),
)
objects = st.lists(roles | cluster_roles | bindings | bindings, max_size=12)
people = st.sampled_from(
    (
        Who.of("ann"),
        Who.of("bob", ["devs"]),
        Who.of("carl"),
        Who.of("system:serviceaccount:other:flux"),
        Who.of("system:anonymous"),
    )
)
requests = st.builds(
    Request,
    st.sampled_from(VERBS),
    st.sampled_from(GROUPS),
    st.sampled_from(RESOURCES),
    st.sampled_from(("", *NAMES, "apps.*")),
    st.sampled_from(("", *NAMESPACES)),
)
targets = st.builds(
    lambda kind, namespace, name, tiers: Target(
        kind, namespace if SERVED[kind].namespaced else "", name, tuple(tiers) if SERVED[kind].tiered else ()
    ),
    st.sampled_from(("NetworkPolicy", "GlobalNetworkPolicy", "KubernetesNetworkPolicy", "Tier")),
    st.sampled_from(NAMESPACES),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(TIERS), min_size=1, max_size=2, unique=True),
)
