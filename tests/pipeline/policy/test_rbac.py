"""What RBAC allows: properties of every set of roles and bindings, and manifests that are wrong."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.again import Loader
from pipeline.policy.can_i import NAMELESS, SERVED, VERBS, Target, can_i
from pipeline.policy.load import load_texts
from pipeline.policy.problems import ManifestError
from pipeline.policy.rbac import MASTERS, Rbac, Who
from pipeline.policy.rbac_matrix import matrix, mentioned_tiers, subjects
from pipeline.policy.rbac_resources import Binding, RbacRule, Role, Subject
from tests.pipeline.policy import rbac_objects as drawn

CALICO = ("projectcalico.org",)
unhurried = settings(deadline=None, max_examples=80)
FRESH = "a-name-that-no-rule-has"


def distinct(objects):
    """As a cluster holds them: one of a key."""
    return list({each.key: each for each in objects}.values())


@unhurried
@given(drawn.objects, drawn.objects, drawn.people, st.sampled_from(VERBS), drawn.targets)
def test_a_role_or_binding_more_never_takes_a_permission_away(objects, more, who, verb, target) -> None:
    before = distinct(objects)
    after = distinct([*more, *before])
    if can_i(Rbac(before).rights_of(who), verb, target).allowed:
        assert can_i(Rbac(after).rights_of(who), verb, target).allowed


@unhurried
@given(drawn.objects, drawn.rules, drawn.people, drawn.requests)
def test_a_rule_more_never_takes_a_permission_away(objects, rule, who, request) -> None:
    before = distinct(objects)
    after = [replace(each, rules=(*each.rules, rule)) if isinstance(each, Role) else each for each in before]
    if Rbac(before).rights_of(who).grant(request):
        assert Rbac(after).rights_of(who).grant(request)


@unhurried
@given(drawn.objects, drawn.people, st.sampled_from(VERBS), drawn.targets)
def test_a_group_more_never_takes_a_permission_away_and_masters_may_everything(
    objects, who, verb, target
) -> None:
    rbac = Rbac(distinct(objects))
    more = Who(who.user, who.groups | {"devs"})
    if can_i(rbac.rights_of(who), verb, target).allowed:
        assert can_i(rbac.rights_of(more), verb, target).allowed
    assert can_i(rbac.rights_of(Who.of("x", [MASTERS])), verb, target).allowed


@unhurried
@given(drawn.objects, drawn.people, st.sampled_from(VERBS), drawn.targets)
def test_who_may_move_a_policy_may_change_it_in_either_tier(objects, who, verb, target) -> None:
    rights = Rbac(distinct(objects)).rights_of(who)
    each = [can_i(rights, verb, replace(target, tiers=(tier,))).allowed for tier in target.tiers]
    if SERVED[target.kind].tiered:
        assert can_i(rights, verb, target).allowed == all(each)


@unhurried
@given(drawn.objects, drawn.people, st.sampled_from(VERBS), drawn.targets)
def test_the_answer_is_the_sum_of_what_calico_asks_kubernetes(objects, who, verb, target) -> None:
    """Word for word as CALICO.md §8 has it."""
    rights = Rbac(distinct(objects)).rights_of(who)
    served = SERVED[target.kind]
    name = "" if verb in NAMELESS else target.name

    def ask(verb: str, resource: str, name: str, namespace: str) -> bool:
        held = [each for scope in {"", namespace} for each in rights.grants.get(scope, ())]
        return any(
            {verb, "*"} & {*each.rule.verbs}
            and {served.group, "*"} & {*each.rule.groups}
            and {resource, "*"} & {*each.rule.resources}
            and (not each.rule.names or name in each.rule.names)
            for each in held
        )

    allowed = ask(verb, served.resource, name, target.namespace)
    for tier in target.tiers:
        tiered = f"tier.{served.resource}"
        by_name, by_tier = (ask(verb, tiered, each, target.namespace) for each in (name, f"{tier}.*"))
        allowed = allowed and ask("get", "tiers", tier, "") and (by_name or by_tier)
    assert can_i(rights, verb, target).allowed == allowed


def _rights(*rules: RbacRule, namespace: str = ""):
    role = Role("", "r", rules)
    tiers = Role(
        "", "t", (RbacRule(("get",), CALICO, ("tiers",)), RbacRule(("*",), CALICO, ("networkpolicies",)))
    )
    return Rbac(
        [
            role,
            tiers,
            Binding(namespace, "r", role.key, (Subject("User", "ann"),)),
            Binding("", "t", tiers.key, (Subject("User", "ann"),)),
        ]
    ).rights_of(Who.of("ann"))


@unhurried
@given(st.sampled_from(VERBS), st.sampled_from(drawn.NAMES), st.sampled_from(drawn.NAMESPACES))
def test_a_tiers_star_is_every_policy_of_that_tier_and_none_of_another(verb, name, namespace) -> None:
    everywhere = _rights(RbacRule((verb,), CALICO, ("tier.networkpolicies",), ("apps.*",)))
    in_shop = _rights(RbacRule((verb,), CALICO, ("tier.networkpolicies",), ("apps.*",)), namespace="shop")
    apps, security = (Target("NetworkPolicy", namespace, name, (tier,)) for tier in drawn.TIERS)
    assert can_i(everywhere, verb, apps).allowed
    assert not can_i(everywhere, verb, security).allowed
    assert can_i(in_shop, verb, apps).allowed == (namespace == "shop")


@pytest.mark.parametrize("star", ["*", "app*", "apps*", "*.*", "apps.", "apps.p*"])
def test_no_other_star_means_anything_in_names(star) -> None:
    rights = _rights(RbacRule(("*",), CALICO, ("tier.networkpolicies",), (star,)))
    assert not can_i(rights, "update", Target("NetworkPolicy", "shop", "p", ("apps",))).allowed


@unhurried
@given(drawn.objects, drawn.people)
def test_the_matrix_says_what_can_i_says(objects, who) -> None:
    """A row covers all names and namespaces that it does not tell; what no row covers is not allowed."""
    rights = Rbac(distinct(objects)).rights_of(who)
    rows = list(matrix(rights, drawn.TIERS))
    for kind in ("NetworkPolicy", "GlobalNetworkPolicy", "KubernetesNetworkPolicy", "Tier"):
        served = SERVED[kind]
        for tier in drawn.TIERS if served.tiered else ("",):
            for namespace in (*drawn.NAMESPACES, "unknown") if served.namespaced else ("",):
                for name in (*drawn.NAMES, FRESH):
                    target = Target(kind, namespace, name, (tier,) if tier else ())
                    covered = {
                        verb
                        for row in rows
                        if (row.kind, row.tier) == (kind, tier)
                        and row.namespace in ("", namespace)
                        and row.name in ("", name)
                        for verb in row.verbs
                    }
                    assert covered == {verb for verb in VERBS if can_i(rights, verb, target).allowed}


@unhurried
@given(drawn.objects)
def test_the_matrix_knows_everybody_and_every_tier_that_is_named(objects) -> None:
    rbac = Rbac(distinct(objects))
    bound = {subject for each in rbac.bindings for subject in each.subjects}
    assert {Who.bound(subject) for subject in bound} == set(subjects(rbac))
    assert set(mentioned_tiers(rbac)) <= {*drawn.TIERS, "p", "tiers"}


ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: ns}\n"
CLUSTER_ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n"
BINDING = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: ns}\n"
CLUSTER_BINDING = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\n"
TO_ROLE = "roleRef: {kind: Role, name: r}\n"
TO_CLUSTER_ROLE = "roleRef: {kind: ClusterRole, name: r}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            ROLE + "rules: [{apiGroups: [''], resources: [pods]}]",
            "x:4: rules[0].verbs: required, but missing",
        ),
        (ROLE + "rules: [{verbs: [], apiGroups: [''], resources: [pods]}]", "rules[0].verbs: has 0 items"),
        (ROLE + "rules: [{verbs: [get], resources: [pods]}]", "rules[0].apiGroups: must name at least one"),
        (ROLE + "rules: [{verbs: [get], apiGroups: ['']}]", "rules[0].resources: must name at least one"),
        (
            ROLE + "rules: [{verbs: [get], nonResourceURLs: [/x]}]",
            "nonResourceURLs: are only for a ClusterRole",
        ),
        (
            ROLE + "rules: [{verbs: get, apiGroups: [''], resources: [pods]}]",
            "verbs: must be a list, not 'get'",
        ),
        (ROLE + "rules: [{verbs: [get], apiGroups: [''], resources: [1]}]", "must be a string, not 1"),
        (ROLE + "rule: []", "x:4: rule: unknown field"),
        (ROLE + "rules: []\nrules: []", "x:5: rules"),
        (ROLE.replace("name: r", "name: a/b") + "rules: []", "metadata.name: name 'a/b' must not"),
        (ROLE.replace("/v1", "/v1beta1"), "v1beta1 is not served: write rbac.authorization.k8s.io/v1"),
        (ROLE + "---\n" + ROLE, "x:7: metadata.name: Role/ns/r is already in x, line 1"),
        (
            CLUSTER_ROLE + "rules: [{verbs: [get], apiGroups: [''], nonResourceURLs: [/x]}]",
            "rules[0].nonResourceURLs: cannot stand beside",
        ),
        (CLUSTER_ROLE + "aggregationRule: {}", "aggregationRule.clusterRoleSelectors: required"),
        (
            CLUSTER_ROLE + "aggregationRule: {clusterRoleSelectors: []}",
            "clusterRoleSelectors: has 0 items, at least 1",
        ),
        (
            CLUSTER_ROLE
            + "aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: a, operator: In}]}]}",
            "clusterRoleSelectors[0].matchExpressions[0].values: must not be empty with In",
        ),
        (BINDING + "subjects: []", "roleRef: required, but missing"),
        (BINDING + "roleRef: {kind: Group, name: r}", "roleRef.kind: must be 'Role' or 'ClusterRole'"),
        (BINDING + "roleRef: {kind: Role, name: r, apiGroup: x}", "roleRef.apiGroup: must be 'rbac"),
        (
            BINDING + TO_ROLE + "subjects: [{kind: user, name: a}]",
            "subjects[0].kind: must be 'User', 'Group'",
        ),
        (BINDING + TO_ROLE + "subjects: [{kind: User, name: ''}]", "subjects[0].name: must not be empty"),
        (
            BINDING
            + TO_ROLE
            + "subjects: [{kind: ServiceAccount, name: a, apiGroup: rbac.authorization.k8s.io}]",
            "subjects[0].apiGroup: of a ServiceAccount must be '', not 'rbac",
        ),
        (BINDING + TO_ROLE + "subjects: [{kind: ServiceAccount, name: A}]", "name 'A' must be lower case"),
        (CLUSTER_BINDING + TO_ROLE, "roleRef.kind: must be ClusterRole"),
        (
            CLUSTER_BINDING + TO_CLUSTER_ROLE + "subjects: [{kind: ServiceAccount, name: a}]",
            "subjects[0].namespace: required of a ServiceAccount here",
        ),
    ],
)
def test_what_kubernetes_refuses_is_refused_with_the_place_and_judges_no_policy(text, problem) -> None:
    loaded = load_texts([("x", text.encode())])
    (found,) = loaded.rbac_problems
    assert problem in str(found)
    assert not loaded.problems
    with pytest.raises(ManifestError, match="x:"):
        Rbac.of(loaded)


@pytest.mark.parametrize(
    "text",
    [
        ROLE,
        ROLE + "rules: null",
        CLUSTER_ROLE + "rules: [{verbs: ['*'], nonResourceURLs: ['*']}]",
        CLUSTER_ROLE.replace("name: r", "name: 'system:Team A'"),
        BINDING + TO_ROLE + "subjects: null",
        BINDING + TO_CLUSTER_ROLE + "subjects: [{kind: ServiceAccount, name: a, apiGroup: ''}]",
    ],
)
def test_what_kubernetes_takes_is_taken(text) -> None:
    loaded = load_texts([("x", text.encode())])
    assert not loaded.rbac_problems
    assert len(loaded.rbac) == 1


def test_roles_that_all_aggregate_each_other_are_read_once_each() -> None:
    every = 'aggregationRule: {clusterRoleSelectors: [{}]}\nrules: [{verbs: ["*"], nonResourceURLs: ["*"]}]\n'
    texts = [(str(n), CLUSTER_ROLE.replace("r}", f"r{n}}}").encode() + every.encode()) for n in range(300)]
    binding = CLUSTER_BINDING + TO_CLUSTER_ROLE.replace("name: r", "name: r7")
    bound = binding + "subjects: [{kind: User, name: ann}]"
    rights = Rbac.of(load_texts([*texts, ("b", bound.encode())])).rights_of(Who.of("ann"))
    (held,) = rights.grants.values()
    assert {grant.role for grant in held} >= {"ClusterRole//cluster-admin"}
    assert len(held) == len({(grant.role, grant.index) for grant in held})


def test_rbac_loads_again_as_it_loads_afresh() -> None:
    texts = {"a": ROLE.encode(), "b": (BINDING + TO_ROLE).encode(), "c": (BINDING + "x: 1").encode()}
    loader = Loader()
    for now in (texts, texts | {"a": CLUSTER_ROLE.encode()}, texts | {"d": ROLE.encode()}):
        assert loader.load(now) == load_texts(now.items())
