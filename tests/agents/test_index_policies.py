"""The policies of each revision stand in Elasticsearch in the order in which Calico evaluates them."""

from typing import Any

from elasticsearch import Elasticsearch

from tests.agents.installation import ALLOW_ALL, Installation
from tests.waiting import until

POLICIES = """
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 10}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: security.web, namespace: shop}
spec:
  tier: security
  order: 5
  selector: app == 'web'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'front'}, destination: {ports: [80, '90:95']}}
  - {action: Pass}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: nothing, namespace: shop}
spec: {order: 1, selector: all(), types: [Ingress, Egress]}
"""
FRONT = '(projectcalico.org/namespace == "shop" && app == "front")'


def documents(installation: Installation, revision: str) -> list[dict[str, Any]]:
    with Elasticsearch(installation.elasticsearch, retry_on_status=[503], max_retries=100) as client:
        index = f"flowtier_policies.{installation.name}"
        client.indices.refresh(index=index, ignore_unavailable=True)
        found = client.search(
            index=index,
            ignore_unavailable=True,
            size=100,
            query={"term": {"revision": revision}},
            sort=[{"position": {"order": "asc", "unmapped_type": "long"}}],
        )
    return [each["_source"] for each in found["hits"]["hits"]]


def whole(installation: Installation, revision: str, policies: int) -> list[dict[str, Any]]:
    """Of a revision; a search may find some of what one request writes before the rest."""
    until(lambda: len(documents(installation, revision)) == policies, 60)
    return documents(installation, revision)


def test_a_revision_is_listed_in_its_real_order_when_it_comes_into_force(installation) -> None:
    first = installation.publish(ALLOW_ALL).revision.revision
    installation.start_worker()
    [only] = until(lambda: documents(installation, first), 60)
    assert (only["policy"], only["tier"], only["default_deny"]) == ("gnp:all", "default", False)
    second = installation.publish(ALLOW_ALL, POLICIES).revision.revision
    found = whole(installation, second, 3)
    assert [(each["position"], each["tier"], each["tier_position"], each["policy"]) for each in found] == [
        (0, "security", 0, "snp:shop/security.web"),
        (1, "default", 0, "gnp:all"),
        (2, "default", 1, "np:shop/nothing"),
    ]
    assert [each["default_deny"] for each in found] == [False, False, True]
    assert {each["revision_number"] for each in found}.pop() > only["revision_number"]
    assert documents(installation, first) == [only]


def test_a_policy_says_what_it_is(installation) -> None:
    published = installation.publish(POLICIES).revision.revision
    installation.start_worker()
    [staged, _] = whole(installation, published, 2)
    for field in ("@timestamp", "revision_number", "selector"):
        assert staged.pop(field)
    assert staged == {
        "cluster": installation.name,
        "revision": published,
        "source": "test",
        "by": "tests",
        "position": 0,
        "tier": "security",
        "tier_order": 10,
        "tier_position": 0,
        "tier_default_action": "deny",
        "policy": "snp:shop/security.web",
        "kind": "StagedNetworkPolicy",
        "namespace": "shop",
        "name": "security.web",
        "order": 5,
        "staged": True,
        "staged_action": "Set",
        "types": ["Ingress"],
        "ingress_rules": 2,
        "egress_rules": 0,
        "rules": [
            f"ingress 0: allow tcp from {FRONT} to ports 80, 90-95",
            "ingress 1: pass",
        ],
        "default_deny": False,
        "applies_to": [],
        "applies_to_count": 0,
        "reporter": ["dst"],
        "verdict": {"namespace": ["shop"]},
    }


def test_what_is_published_again_as_it_is_is_in_force_since_it_was_published_first(installation) -> None:
    first = installation.publish(ALLOW_ALL).revision.revision
    installation.start_worker()
    [only] = until(lambda: documents(installation, first), 60)
    installation.publish(ALLOW_ALL)
    [again] = until(lambda: newer(installation, first, only), 60)
    assert again["@timestamp"] == only["@timestamp"]
    between = installation.publish(POLICIES).revision.revision
    until(lambda: documents(installation, between), 60)
    installation.publish(ALLOW_ALL)
    [back] = until(lambda: newer(installation, first, again), 60)
    assert back["@timestamp"] > again["@timestamp"]


def newer(installation: Installation, revision: str, than: dict[str, Any]) -> list[dict[str, Any]]:
    found = documents(installation, revision)
    return [each for each in found if each["revision_number"] > than["revision_number"]]
