"""A revision is ordered as Calico evaluates it, and named by its content alone."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.load import load_texts
from pipeline.policy.policies import Policies, PolicyKey, Tier
from pipeline.policy.problems import ManifestError
from pipeline.policy.resources import canonical_json
from pipeline.policy.revision import to_policies


def _tier(name: str, order: float | None, **spec: Any) -> dict[str, Any]:
    written = spec if order is None else {"order": order, **spec}
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "Tier",
        "metadata": {"name": name},
        "spec": written,
    }


def _policy(kind: str, name: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": spec}


def _policies(documents: Sequence[dict[str, Any]]) -> Policies:
    return to_policies(load_texts((f"{index}", orjson.dumps(item)) for index, item in enumerate(documents)))


KUBERNETES = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "same", "namespace": "a"},
    "spec": {"podSelector": {}},
}
DOCUMENTS = [
    _tier("late", None),
    _tier("b", 5.5, defaultAction="Pass"),
    _tier("a", 5.5),
    _tier("first", -1),
    _policy("GlobalNetworkPolicy", "x", tier="nowhere"),
    _policy("GlobalNetworkPolicy", "same", order=1000),
    _policy("StagedGlobalNetworkPolicy", "same", order=1000),
    _policy("NetworkPolicy", "same", "a", order=1000),
    _policy("NetworkPolicy", "same", "B0", order=1000) | {"metadata": {"name": "same", "namespace": "b0"}},
    _policy("StagedNetworkPolicy", "same", "a", order=1000),
    KUBERNETES,
    _policy("GlobalNetworkPolicy", "no-order"),
    _policy("GlobalNetworkPolicy", "early", order=-0.5),
    _policy("GlobalNetworkPolicy", "security", tier="a", order=9),
]


def test_tiers_stand_by_order_then_name_undefined_ones_last() -> None:
    assert _policies(DOCUMENTS).tiers == (
        Tier("first", -1.0, "deny"),
        Tier("a", 5.5, "deny"),
        Tier("b", 5.5, "pass"),
        Tier("kube-admin", 1000.0, "pass"),
        Tier("default", 1_000_000.0, "deny"),
        Tier("kube-baseline", 10_000_000.0, "pass"),
        Tier("late", None, "deny"),
        Tier("nowhere", None, "deny", defined=False),
    )


def test_policies_stand_by_tier_order_and_then_name_namespace_and_kind() -> None:
    assert [str(policy.key) for policy in _policies(DOCUMENTS).policies] == [
        "gnp:security",
        "gnp:early",
        "gnp:same",
        "sgnp:same",
        "knp:a/same",
        "np:a/same",
        "snp:a/same",
        "np:b0/same",
        "gnp:no-order",
        "gnp:x",
    ]


@settings(deadline=None)
@given(st.permutations(DOCUMENTS))
def test_neither_order_of_files_nor_their_names_change_a_revision(documents) -> None:
    assert _policies(documents) == _policies(DOCUMENTS)


def test_what_the_server_adds_does_not_change_a_revision() -> None:
    added = {
        "uid": "u",
        "resourceVersion": "7",
        "labels": {"projectcalico.org/tier": "default"},
        "annotations": {"a": "b"},
    }
    served = [{**item, "metadata": {**item["metadata"], **added}} for item in DOCUMENTS]
    assert _policies(served).revision == _policies(DOCUMENTS).revision


@pytest.mark.parametrize("index", range(len(DOCUMENTS)))
def test_every_resource_counts_in_the_revision(index: int) -> None:
    rest = DOCUMENTS[:index] + DOCUMENTS[index + 1 :]
    assert _policies(rest).revision != _policies(DOCUMENTS).revision


def test_labels_of_network_sets_count_and_facts_do_not() -> None:
    plain = _policy("GlobalNetworkSet", "set", nets=["10.0.0.0/8"])
    labelled = {**plain, "metadata": {"name": "set", "labels": {"a": "b"}}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    assert _policies([plain]).revision != _policies([labelled]).revision
    assert _policies([plain, namespace]).revision == _policies([plain]).revision


def test_canonical_json_gives_the_same_revision() -> None:
    loaded = load_texts((f"{index}", orjson.dumps(item)) for index, item in enumerate(DOCUMENTS))
    again = load_texts((resource.key, canonical_json(resource.document)) for resource in loaded.policies)
    assert to_policies(again) == to_policies(loaded)


def test_an_empty_revision_has_the_built_in_tiers() -> None:
    policies = _policies([])
    assert [tier.name for tier in policies.tiers] == ["kube-admin", "default", "kube-baseline"]
    assert len(policies.revision) == 16


def test_nothing_half_loaded_becomes_a_revision() -> None:
    with pytest.raises(ManifestError, match="action"):
        _policies([*DOCUMENTS, _policy("GlobalNetworkPolicy", "bad", ingress=[{}])])


def test_a_staged_policy_knows_its_twin() -> None:
    assert PolicyKey("snp", "a", "x").twin == PolicyKey("np", "a", "x")
