"""Changes of the input that must change nothing, or one thing only, of what is proposed."""

from difflib import unified_diff
from itertools import chain
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recommend.recommendation import Options, Recommendation
from tests.pipeline.recommend.learning import DNS, NO_POLICIES, both_sides, flow, labels, yaml_of

type Flow = dict[str, Any]

SHOP: list[Flow] = [
    record
    for hour in range(26)
    for record in (
        *both_sides("shop/web", "shop/cart", 7070, hour=hour),
        *both_sides("shop/cart", "shop/redis", 6379, hour=hour),
        *both_sides("billing/api", "shop/cart", 7070 + hour % 4, hour=hour),
        *both_sides("shop/web", DNS, 53, hour=hour, proto="udp"),
        flow("shop/web", f"198.51.100.{hour * 7}", 443, hour, dest_domains=["b.example", "a.example"]),
        flow("shop/cart", f"203.0.113.{hour % 5}", 443, hour),
        flow(f"10.1.{hour % 3}.9", "shop/web", 8080, hour, reporter="dst"),
        flow("shop/redis", "shop/cart", 40_000 + 371 * hour, hour),
    )
]
MANY_CLIENTS = [
    flow(f"198.51.{n // 200}.{n % 200}", "shop/web", 8080, n % 5, reporter="dst") for n in range(1_200)
]
MODES = pytest.mark.parametrize("mode", ["workload", "namespace"])


def proposed(flows: list[Flow], size: int = 20_000, **options: Any) -> list[Recommendation]:
    return NO_POLICIES.recommend(NO_POLICIES.lessons(flows, size), Options(**options))


def manifests(flows: list[Flow], size: int = 20_000, **options: Any) -> str:
    return yaml_of(proposed(flows, size, **options))


def without_examples(recommendations: list[Recommendation]) -> bytes:
    """All that is said, but for the documents' ids, which are of the place in the topic."""
    plain: Any = msgspec.to_builtins(recommendations)
    for rule in chain.from_iterable(each["rules"] for each in plain):
        if rule["evidence"]:
            del rule["evidence"]["examples"]
    return msgspec.json.encode(plain)


SHUFFLED = st.tuples(st.randoms(use_true_random=False), st.sampled_from([7, 40, 20_000]))


@MODES
@settings(deadline=None, max_examples=4)
@given(SHUFFLED)
def test_shuffled_and_split_flows_give_the_same_bytes(mode: str, how: tuple[Random, int]) -> None:
    random, size = how
    flows = random.sample(SHOP, len(SHOP))
    assert manifests(flows, size, mode=mode) == manifests(SHOP, mode=mode)


def test_shuffled_and_split_flows_give_the_same_evidence_too() -> None:
    flows = Random(3).sample(SHOP, len(SHOP))
    assert without_examples(proposed(flows, 11)) == without_examples(proposed(SHOP))


@pytest.mark.parametrize("size", [50, 20_000])
def test_many_addresses_become_one_edge_in_whatever_batches_they_come(size: int) -> None:
    flows = Random(size).sample(MANY_CLIENTS, len(MANY_CLIENTS))
    found, expected = proposed(flows, size), proposed(MANY_CLIENTS)
    assert without_examples(found) == without_examples(expected)
    (rule,) = (rule for rule in expected[0].rules if rule.direction == "ingress")
    assert rule.evidence
    assert rule.evidence.connections == len(MANY_CLIENTS)


@pytest.mark.parametrize("last", ["shop", "billing"])
def test_namespaces_in_another_order_give_the_same_bytes(last: str) -> None:
    flows = sorted(SHOP, key=lambda each: each["source_namespace"] == last)
    assert manifests(flows, 50) == manifests(SHOP)


def test_the_same_flows_twice_change_counts_in_the_evidence_and_nothing_in_manifests() -> None:
    once, twice = proposed(SHOP), proposed([*SHOP, *SHOP])
    assert yaml_of(twice) == yaml_of(once)
    for one, two in zip(once, twice, strict=True):
        assert (two.status, two.warnings) == (one.status, one.warnings)
        assert [aside.reason for aside in two.set_aside] == [aside.reason for aside in one.set_aside]
        for rule, same in zip(one.rules, two.rules, strict=True):
            assert same == msgspec.structs.replace(rule, evidence=same.evidence)
            if rule.evidence and same.evidence:
                counts = {"connections": 2 * rule.evidence.connections, "bytes": 2 * rule.evidence.bytes}
                expected = msgspec.structs.replace(rule.evidence, **counts)
                assert same.evidence == msgspec.structs.replace(expected, examples=same.evidence.examples)


def rolled_out(record: Flow) -> Flow:
    """The same of the pods after a rollout: other hashes, names and addresses."""
    changed = dict(record)
    for side in ("source", "dest"):
        if record[f"{side}_type"] == "wep":
            name = record[f"{side}_name_aggr"].replace("-6b68-", "-7fd9-")
            own = [label.replace("6b68", "7fd9") for label in record[f"{side}_labels"]["labels"]]
            changed |= {f"{side}_name_aggr": name, f"{side}_labels": {"labels": own}}
            changed |= {f"{side}_name": name.replace("*", "x2k8z"), f"{side}_ip": "10.9.9.9"}
    return changed


@MODES
def test_pods_renamed_by_a_rollout_change_no_manifest(mode: str) -> None:
    half = len(SHOP) // 2
    after = [*SHOP[:half], *map(rolled_out, SHOP[half:])]
    assert manifests(after, mode=mode) == manifests(SHOP, mode=mode)
    assert manifests([*map(rolled_out, SHOP)], mode=mode) == manifests(SHOP, mode=mode)


@MODES
def test_twice_the_replicas_change_no_manifest(mode: str) -> None:
    replicas = [
        record | {"source_name": f"{record['source_name_aggr'][:-1]}{n}", "source_ip": ip}
        for record in SHOP
        if record["source_type"] == "wep"
        for n, ip in enumerate(["10.8.0.1", "10.8.0.2"])
    ]
    assert manifests([*SHOP, *replicas], mode=mode) == manifests(SHOP, mode=mode)


def test_domains_in_another_order_change_no_manifest() -> None:
    turned = [
        each | {"dest_domains": (each["dest_domains"] or [])[::-1] or None}
        for each in SHOP
        if "dest_domains" in each
    ]
    assert manifests([*SHOP, *turned]) == manifests(SHOP)


RELEASED = {"source_labels": labels(app="web", version="2", **{"pod-template-hash": "6b68"})}


def test_a_label_that_changes_from_release_to_release_changes_no_manifest() -> None:
    later = [flow("shop/web", "shop/cart", 7070, hour, **RELEASED) for hour in range(20, 30)]
    assert manifests([*SHOP, *later]) == manifests(SHOP)


NEW_EDGES = [
    [flow("shop/web", "shop/search", 9200, hour) for hour in range(30)],
    [flow("shop/web", "billing/api", 8443, hour) for hour in range(30)],
    [flow("shop/web", "shop/redis", 6380, hour) for hour in range(30)],
    [flow("shop/web", "192.0.2.55", 8883, hour) for hour in range(30)],
    [flow("shop/web", "192.0.2.55", 443, hour, dest_domains=["new.example"]) for hour in range(30)],
    [flow("10.3.3.3", "shop/web", 9090, hour, reporter="dst") for hour in range(30)],
]


@pytest.mark.parametrize("more", NEW_EDGES, ids=lambda more: f"{more[0]['dest_port']}")
def test_one_new_edge_adds_one_rule_and_touches_no_other_line(more: list[Flow]) -> None:
    before, after = manifests(SHOP).splitlines(), manifests([*SHOP, *more]).splitlines()
    changes = [
        line for line in unified_diff(before, after, lineterm="", n=0) if line[:3] not in ("---", "+++")
    ]
    assert [line for line in changes if line.startswith("-")] == []
    added = [line for line in changes if line.startswith("+")]
    assert sum("action: Allow" in line for line in added) == 1
    assert sum(line.startswith("@@") for line in changes) == 1
