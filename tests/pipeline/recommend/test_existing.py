"""What is enforced already: isolated directions are left alone, and a wide allow is tightened where asked."""

from typing import Any

import pytest

from pipeline.recommend.recommendation import Options, Recommendation
from tests.pipeline.recommend.closing import enforced, replay
from tests.pipeline.recommend.learning import Cluster, both_sides, by_name, flow, messages

TIGHTEN = Options(tighten=True)
SHOP = [each for hour in range(6) for each in both_sides("shop/web", "shop/db", 5432, hour=hour)]


def cluster(*policies: str) -> Cluster:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}"
    return Cluster.of("\n---\n".join((namespace, *policies)))


def policy(
    spec: str, kind: str = "NetworkPolicy", name: str = "there", namespace: str = ", namespace: shop"
) -> str:
    metadata = f"metadata: {{name: {name}{namespace}}}"
    return f"apiVersion: projectcalico.org/v3\nkind: {kind}\n{metadata}\nspec: {spec}"


def tier(name: str, order: int, action: str) -> str:
    head = f"apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {{name: {name}}}"
    return f"{head}\nspec: {{order: {order}, defaultAction: {action}}}"


def types_of(found: list[Recommendation], name: str) -> list[str]:
    return by_name(found)[name].manifest["spec"]["types"]


USED_ONLY = "{action: Allow, protocol: TCP, source: {selector: app == 'web'}, destination: {ports: [5432]}}"
TIGHT = f"{{selector: app == 'db', types: [Ingress], ingress: [{USED_ONLY}]}}"
WIDE = "{ORDERselector: app == 'db', types: [Ingress], ingress: [{action: Allow}]}"
SOME_DENIED = "{action: Deny, source: {nets: [192.0.2.0/24]}}"
PASSING = f"{{tier: security, types: [Ingress], ingress: [{SOME_DENIED}, {{action: Pass}}]}}"
TWO_WAYS = ["Ingress", "Egress"]
STANDING = {
    "nothing": ([], TWO_WAYS),
    "a tight allow": ([policy(TIGHT)], ["Egress"]),
    "a wide allow": ([policy(WIDE.replace("ORDER", "order: 1, "))], ["Egress"]),
    "a tight allow that is only staged": ([policy(TIGHT, "StagedNetworkPolicy")], TWO_WAYS),
    "a tier that hands on what it does not decide": (
        [tier("security", 1, "Pass"), policy(PASSING, name="security.there")],
        TWO_WAYS,
    ),
    "a policy that hands on all the rest": (
        [tier("security", 1, "Deny"), policy(PASSING, name="security.there")],
        TWO_WAYS,
    ),
    "a policy for somebody else": ([policy(TIGHT.replace("'db'", "'other'"))], TWO_WAYS),
}


@pytest.mark.parametrize("case", STANDING)
def test_a_direction_that_is_isolated_already_gets_no_proposal(case: str) -> None:
    policies, expected = STANDING[case]
    assert types_of(cluster(*policies).recommend(SHOP), "db-learned") == expected


def actions(own: Cluster, found: list[Recommendation], *flows: dict[str, Any]) -> list[str]:
    """What the reference says of flows before, and once what was found is enforced."""
    (batch,) = messages(flows, len(flows))
    policies = (enforced(own.policies, []), enforced(own.policies, found))
    return [action for each in policies for action in replay(each, own.facts, batch).actions]


ORDERS = pytest.mark.parametrize("order", ["order: 0, ", "order: 1, ", "order: 1000, ", ""])
STRANGER = flow("shop/stranger", "shop/db", 5432, reporter="dst")
OTHER_PORT = flow("shop/web", "shop/db", 22, reporter="dst")
USED = flow("shop/web", "shop/db", 5432, reporter="dst")


@ORDERS
def test_tighten_closes_what_a_wide_allow_leaves_open_and_keeps_what_is_used(order: str) -> None:
    own = cluster(policy(WIDE.replace("ORDER", order)))
    found = own.recommend(SHOP, TIGHTEN)
    tightened = by_name(found)["db-ingress-tightened"]
    assert tightened.tightens == "np:shop/there"
    assert tightened.manifest["spec"]["ingress"][-1] == {"action": "Deny"}
    assert actions(own, [tightened], STRANGER, OTHER_PORT, USED) == [
        *("allow", "allow", "allow"),
        *("deny", "deny", "allow"),
    ]


FROM_WEB = "{action: Allow, source: {selector: app == 'web'}}"


def test_tighten_comes_before_the_first_of_several_wide_allows() -> None:
    first = f"{{tier: zz-first, selector: app == 'db', types: [Ingress], ingress: [{FROM_WEB}]}}"
    then = "{tier: aa-then, selector: app == 'db', types: [Ingress], ingress: [{action: Allow}]}"
    tiers = tier("zz-first", 1, "Pass"), tier("aa-then", 2, "Deny")
    own = cluster(*tiers, policy(first, name="zz-first.there"), policy(then, name="aa-then.there"))
    flows = [
        *SHOP,
        *(each for hour in range(6) for each in both_sides("shop/api", "shop/db", 5432, hour=hour)),
    ]
    tightened = by_name(own.recommend(flows, TIGHTEN))["db-ingress-tightened"]
    assert tightened.manifest["spec"]["tier"] == "zz-first"
    assert actions(own, [tightened], STRANGER, OTHER_PORT, USED) == [
        *("allow", "allow", "allow"),
        *("deny", "deny", "allow"),
    ]


def test_nothing_is_tightened_unasked_or_inside_a_tight_allow() -> None:
    wide = cluster(policy(WIDE.replace("ORDER", "order: 1, ")))
    assert "db-ingress-tightened" not in by_name(wide.recommend(SHOP))
    assert "db-ingress-tightened" not in by_name(cluster(policy(TIGHT)).recommend(SHOP, TIGHTEN))


def test_what_an_earlier_policy_allows_needs_no_rule_here() -> None:
    rule = "{action: Allow, protocol: TCP, destination: {ports: [5432]}}"
    allow = f"{{tier: security, types: [Egress], egress: [{rule}]}}"
    own = cluster(tier("security", 1, "Pass"), policy(allow, name="security.there"))
    (web,) = (each for each in own.recommend(SHOP) if each.workloads == ["web"])
    assert [rule.peer for rule in web.rules] == ["dns", "dns"]
