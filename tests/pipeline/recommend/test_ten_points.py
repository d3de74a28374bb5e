"""The ten points of DESIGN.md §6, each here or in the tests that this list names.

1: here, test_workloads.py, the cases of per-pod labels. 2: test_metamorphic.py, test_learned.py.
3: here, test_metamorphic.py. 4: here, test_peers.py, test_widen.py. 5: here, the case of kguardian.
6: test_evidence.py. 7: test_status.py. 8: test_score.py, test_closed_loop.py. 9: test_existing.py. 10: here.
"""

from typing import Any

import pytest
import yaml

from pipeline.policy.load import load_texts
from pipeline.recommend.recommendation import Decision, Options
from tests.pipeline.recommend.learning import DNS, NO_POLICIES, Cluster, both_sides, by_name, flow, yaml_of

SHOP = [
    each
    for hour in range(30)
    for each in (
        *both_sides("shop/web", "shop/cart", 7070, hour=hour),
        *both_sides("shop/cart", "shop/redis", 6379, hour=hour),
        *both_sides("shop/cart", "billing/api", 8443, hour=hour),
        flow("shop/web", DNS, 53, hour, proto="udp"),
    )
]


def spec_of(name: str, **options: Any) -> dict[str, Any]:
    return by_name(NO_POLICIES.recommend(SHOP, Options(**options)))[name].manifest["spec"]


def test_1_a_namespace_is_one_policy_for_all_where_asked() -> None:
    found = by_name(NO_POLICIES.recommend(SHOP, Options(mode="namespace")))
    assert sorted(found) == ["billing-learned", "shop-learned"]
    spec = found["shop-learned"].manifest["spec"]
    assert "selector" not in spec
    assert [rule["source"] for rule in spec["ingress"]] == [
        {"namespaceSelector": "projectcalico.org/name == 'shop'"}
    ] * 2


def test_3_a_manifest_holds_nothing_that_changes_while_the_traffic_does_not() -> None:
    first, then = (NO_POLICIES.recommend(SHOP, now=now) for now in (30, 24 * 30))
    assert [each.status.word for each in first] != [each.status.word for each in then]
    assert yaml_of(first) == yaml_of(then)
    keys = {line.strip(" -").partition(":")[0] for line in yaml_of(first).splitlines()}
    assert not keys & {"status", "score", "evidence", "revision", "learned_until", "connections"}


def test_4_nothing_is_opened_to_everyone_in_silence() -> None:
    flows = [*SHOP, *(flow("shop/web", "pub", 443, hour) for hour in range(30))]
    for each in NO_POLICIES.recommend(flows):
        assert "0.0.0.0/0" not in yaml_of([each])
        for direction in ("ingress", "egress"):
            told = [rule for rule in each.rules if rule.direction == direction]
            for rule, saying in zip(each.manifest["spec"].get(direction, []), told, strict=True):
                peer = rule["source"] if direction == "ingress" else rule["destination"]
                assert set(peer) - {"ports"}
                assert "notNets" not in peer or saying.widening


PORTS = [1, 53, 22_000, 32_768, 50_051, 65_535]


@pytest.mark.parametrize("port", PORTS)
def test_5_a_port_number_makes_nobody_a_client(port: int) -> None:
    flows = [each for hour in range(3) for each in both_sides("shop/web", "shop/cart", port, hour=hour)]
    found = by_name(NO_POLICIES.recommend(flows))
    assert f"Allow tcp/{port} to workload shop/cart" in [rule.says for rule in found["web-learned"].rules]
    assert [rule.says for rule in found["cart-learned"].rules if rule.evidence] == [
        f"Allow tcp/{port} from workload shop/web"
    ]


def test_5_what_nobody_was_seen_to_start_makes_no_rule_whatever_its_port() -> None:
    flows = [flow("shop/cart", "shop/web", 443, hour, num_flows_started=0) for hour in range(3)]
    (cart,) = NO_POLICIES.recommend(flows)
    assert [rule.peer for rule in cart.rules] == ["dns", "dns"]
    assert ["who is the client is not known" in each.reason for each in cart.set_aside] == [True]


def test_10_a_policy_is_staged_in_the_tier_that_was_chosen_and_lets_dns_through_first() -> None:
    tier = "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: learned}\nspec: {order: 7}\n"
    found = Cluster.of(tier).recommend(SHOP, Options(tier="learned", order=12.5))
    text = yaml_of(found)
    load_texts([("proposed.yaml", text.encode()), ("tier.yaml", tier.encode())]).require()
    for each in yaml.safe_load_all(text):
        assert each["kind"] == "StagedNetworkPolicy"
        assert (each["spec"]["tier"], each["spec"]["order"]) == ("learned", 12.5)
        if "Egress" in each["spec"]["types"]:
            first = each["spec"]["egress"][:2]
            assert [(rule["protocol"], rule["destination"]["ports"]) for rule in first] == [
                ("UDP", [53]),
                ("TCP", [53]),
            ]


def test_traffic_inside_the_namespace_is_passed_on_where_asked() -> None:
    for mode in ("workload", "namespace"):
        name = "cart-learned" if mode == "workload" else "shop-learned"
        spec = spec_of(name, mode=mode, intra_namespace="pass")
        inside = {rule["action"] for rule in spec["ingress"]}
        outside = {
            rule["action"] for rule in spec["egress"] if "billing" in str(rule) or "kube-dns" in str(rule)
        }
        assert (inside, outside) == ({"Pass"}, {"Allow"})


def test_an_ignored_recommendation_is_not_made_again() -> None:
    ignored = Decision("snp:shop/web-learned", "ignore", "ada", 0)
    assert "web-learned" not in by_name(NO_POLICIES.recommend(SHOP, decisions=[ignored]))


def test_an_accepted_recommendation_stays_as_it_was_and_says_when_its_traffic_changes() -> None:
    before = by_name(NO_POLICIES.recommend(SHOP))["web-learned"]
    accepted = Decision(before.name, "accept", "ada", 0, manifest=before.manifest)
    same = by_name(NO_POLICIES.recommend(SHOP, decisions=[accepted]))["web-learned"]
    assert (same.decision, same.manifest, same.warnings) == ("accept", before.manifest, before.warnings)
    more = [*SHOP, *(flow("shop/web", "shop/new", 1, hour) for hour in range(30))]
    after = by_name(NO_POLICIES.recommend(more, decisions=[accepted]))["web-learned"]
    assert after.manifest == before.manifest
    assert [each for each in after.warnings if "has changed since it was accepted" in each]
