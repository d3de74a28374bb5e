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
from tests.pipeline.policy.rbac_texts import (
    BINDING,
    CLUSTER_BINDING,
    CLUSTER_ROLE,
    REFUSED,
    ROLE,
    TAKEN,
    TO_CLUSTER_ROLE,
    TO_ROLE,
)

CALICO = ("projectcalico.org",)
unhurried = settings(deadline=None, max_examples=50)
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


@pytest.mark.parametrize(
    ("subject", "who"),
    [
        (Subject("User", "ann"), "ann"),
        (Subject("ServiceAccount", "flux", "ns"), "system:serviceaccount:ns:flux"),
        (Subject("Group", "devs"), "group devs"),
        (Subject("Group", "system:authenticated"), "group system:authenticated"),
        (Subject("Group", "system:unauthenticated"), "system:anonymous"),
        (Subject("Group", "system:serviceaccounts:ns"), "group system:serviceaccounts:ns"),
    ],
)
def test_whom_a_binding_names_is_bound_by_it_and_is_named_in_the_matrix(subject, who) -> None:
    assert str(Who.bound(subject)) == who
    assert Who.bound(subject).is_bound(subject)


@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_what_kubernetes_refuses_is_refused_with_the_place_and_judges_no_policy(text, problem) -> None:
    loaded = load_texts([("x", text.encode())])
    (found,) = loaded.rbac_problems
    assert problem in str(found)
    assert not loaded.problems
    with pytest.raises(ManifestError, match="x:"):
        Rbac.of(loaded)


@pytest.mark.parametrize("text", TAKEN)
def test_what_kubernetes_takes_is_taken(text) -> None:
    loaded = load_texts([("x", text.encode())])
    assert not loaded.rbac_problems
    assert len(loaded.rbac) == 1


def test_a_role_that_is_written_twice_is_refused_with_both_places() -> None:
    loaded = load_texts([("x", (ROLE + "---\n" + ROLE).encode())])
    assert list(map(str, loaded.rbac_problems)) == [
        "x:7: metadata.name: Role/default/r is already in x, line 1"
    ]


def test_a_field_that_is_written_twice_is_refused() -> None:
    """kubectl takes the last one, which nobody sees who reads the first."""
    loaded = load_texts([("x", (ROLE + "rules: []\nrules: []").encode())])
    (found,) = loaded.rbac_problems
    assert (found.line, found.field) == (5, "rules")


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
