"""Selectors of workloads: the fewest labels that tell one from all others, or those whom they do not tell."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.selector import parse
from pipeline.recommend.labels import PER_POD, SERVICE_ACCOUNT
from pipeline.recommend.workloads import MOST_LABELS, Namespace, Workload
from tests.pipeline.recommend.learning import NO_POLICIES, both_sides, flow, labels

KEYS = ["app", "tier", "team", "app.kubernetes.io/name", SERVICE_ACCOUNT]
PODS = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=3
)
NAMESPACES = st.dictionaries(st.sampled_from(["w1", "w2", "w3", "w4", "w5"]), PODS, min_size=1)

type Pods = list[dict[str, str]]


def namespace_of(pods: dict[str, Pods]) -> Namespace:
    workloads = [Workload("shop", name) for name in pods]
    for workload in workloads:
        for each in pods[workload.name]:
            workload.meet(each)
    return Namespace(workloads)


@settings(deadline=None)
@given(NAMESPACES)
def test_a_selector_selects_all_pods_of_its_workload_and_no_other_unless_it_says_so(
    pods: dict[str, Pods],
) -> None:
    namespace = namespace_of(pods)
    for name, own in pods.items():
        selected = namespace.selected(name)
        if selected is None:
            assert not set.intersection(*(set(each.items()) for each in own))
            continue
        selector = parse(str(selected))
        assert all(map(selector.matches, own))
        others = {
            other for other, theirs in pods.items() if other != name and any(map(selector.matches, theirs))
        }
        assert others <= set(selected.also)
        for other in selected.also:  # one by one its pods had all of the labels, if not together
            assert set(selected.pairs) <= {pair for each in pods[other] for pair in each.items()}
        assert 1 <= len(selected.pairs) <= MOST_LABELS


@settings(deadline=None)
@given(NAMESPACES)
def test_a_selector_has_no_label_that_tells_nothing(pods: dict[str, Pods]) -> None:
    namespace = namespace_of(pods)
    for name in pods:
        selected = namespace.selected(name)
        for pair in selected.pairs if selected and not selected.also and len(selected.pairs) > 1 else ():
            rest = dict(set(selected.pairs) - {pair}) if selected else {}
            # One by one, another workload's pods had all that is left, if not together.
            ever = [
                {p for each in theirs for p in each.items()}
                for other, theirs in pods.items()
                if other != name
            ]
            assert any(rest.items() <= each for each in ever)


NAME = "app.kubernetes.io/name"
CANARY = {"app": "web", "track": "canary"}
CHOSEN: dict[str, tuple[dict[str, Pods], str]] = {
    "the usual one": ({"w": [{"team": "a", "app": "web"}]}, "app == 'web'"),
    "the recommended one": ({"w": [{"app": "web", NAME: "shop"}]}, f"{NAME} == 'shop'"),
    "one that all pods have": ({"w": [{"app": "web", "n": "1"}, {"n": "2", "app": "web"}]}, "app == 'web'"),
    "two where one tells nothing": (
        {"w": [CANARY], "x": [{"app": "web", "track": "main"}], "y": [{"track": "canary"}]},
        "app == 'web' && track == 'canary'",
    ),
    "the service account last": ({"w": [{"zone": "z", SERVICE_ACCOUNT: "web"}]}, "zone == 'z'"),
    "the service account where it alone tells": (
        {"w": [{SERVICE_ACCOUNT: "web", "app": "a"}], "x": [{"app": "a"}]},
        f"{SERVICE_ACCOUNT} == 'web'",
    ),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_the_label_that_is_chosen_is_the_one_that_people_would_choose(case: str) -> None:
    pods, expected = CHOSEN[case]
    assert str(namespace_of(pods).selected("w")) == expected


@pytest.mark.parametrize("label", sorted(PER_POD))
def test_labels_of_pods_and_rollouts_never_enter_a_selector(label: str) -> None:
    flows: list[dict[str, Any]] = [
        flow("shop/web", "shop/db", 80, hour, source_labels=labels(**{label: "same", "zz": "web"}))
        for hour in range(3)
    ]
    (web,) = NO_POLICIES.recommend(flows)
    assert web.manifest["spec"]["selector"] == "zz == 'web'"


APART = st.dictionaries(
    st.sampled_from(["alpha", "beta", "gamma"]),
    st.dictionaries(st.sampled_from(["app", "role"]), st.sampled_from("ab"), min_size=1),
    min_size=1,
)


@settings(deadline=None, max_examples=40)
@given(APART)
def test_every_workload_with_labels_is_selected_and_no_two_policies_have_one_name(
    own: dict[str, dict[str, str]],
) -> None:
    flows = [
        record | {"source_labels": labels(**pairs, **{"pod-template-hash": "6b68"})}
        for hour in range(3)
        for name, pairs in own.items()
        for record in both_sides(f"shop/{name}", "other/db", 5432, hour=hour)
    ]
    found = [each for each in NO_POLICIES.recommend(flows) if each.namespace == "shop"]
    names = [each.name for each in found]
    assert len(names) == len(set(names))
    for name, pairs in own.items():
        hits = [each for each in found if parse(each.manifest["spec"]["selector"]).matches(pairs)]
        assert hits
        assert all(name in each.workloads for each in hits)
