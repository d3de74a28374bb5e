"""The policies of a revision as documents, in the order in which Calico evaluates them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pipeline.applies_to import AppliesTo
from pipeline.carried_filters import carried, reporters_of
from pipeline.composable import composable
from pipeline.policy.policies import MODEL_KINDS, Policies, Policy, Tier
from pipeline.revisions import Revision
from pipeline.rule_words import DIRECTIONS, rules_say

TEMPLATE = "flowtier_policies"

_KEYWORD = {"type": "keyword", "ignore_above": 8191}
_LONG = {"type": "long"}
_NUMBER = {"type": "double"}
_FLAG = {"type": "boolean"}
_KEPT = {"type": "keyword", "index": False, "doc_values": False}
_PROPERTIES: dict[str, Any] = {
    "@timestamp": {"type": "date", "format": "epoch_millis"},
    "cluster": _KEYWORD,
    "revision": _KEYWORD,
    "revision_number": _LONG,
    "source": _KEYWORD,
    "commit": _KEYWORD,
    "author": _KEYWORD,
    "by": _KEYWORD,
    "position": _LONG,
    "tier": _KEYWORD,
    "tier_order": _NUMBER,
    "tier_position": _LONG,
    "tier_default_action": _KEYWORD,
    "policy": _KEYWORD,
    "kind": _KEYWORD,
    "namespace": _KEYWORD,
    "name": _KEYWORD,
    "order": _NUMBER,
    "staged": _FLAG,
    "staged_action": _KEYWORD,
    "types": _KEYWORD,
    "selector": _KEYWORD,
    "ingress_rules": _LONG,
    "egress_rules": _LONG,
    "default_deny": _FLAG,
    "rules": _KEPT,
    "applies_to": _KEYWORD,
    "applies_to_count": _LONG,
    **carried(),
}


class Published(NamedTuple):
    """A revision, and its number: those that were published later have higher ones."""

    revision: Revision
    number: int


def index_of(cluster: str) -> str:
    return f"{TEMPLATE}.{cluster}"


def index_template(replicas: int) -> dict[str, Any]:
    """The composable template; a board shows as many policies of a tier as one of them may hold."""
    return composable(
        TEMPLATE, _PROPERTIES, replicas, codec="best_compression", max_inner_result_window=10_000
    )


def newest_request(cluster: str) -> dict[str, Any]:
    """Of which revision there are policies that came last, and since when it is in force."""
    return {
        "index": index_of(cluster),
        "ignore_unavailable": True,
        "size": 1,
        "sort": [{"revision_number": "desc"}],
        "source_includes": ["revision", "@timestamp"],
    }


def outdated_request(cluster: str, newest: str, before: int) -> dict[str, Any]:
    """Which policies are of revisions that came into force before a time (ms since the epoch), but for the
    newest: the first thousands of them."""
    return {
        "index": index_of(cluster),
        "ignore_unavailable": True,
        "size": 10_000,
        "source": False,
        "query": {
            "bool": {
                "filter": [{"range": {"@timestamp": {"lt": before}}}],
                "must_not": [{"term": {"revision": newest}}],
            }
        },
    }


def documents_of(
    policies: Policies, published: Published, applies_to: AppliesTo, cluster: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The documents of a revision, with their ids, which are the same whenever they are made."""
    tiers = {tier.name: tier for tier in policies.tiers}
    places: Counter[str] = Counter()
    revision = published.revision
    for position, policy in enumerate(policies.policies):
        workloads = applies_to.workloads(policy)
        document = {
            "@timestamp": round(revision.published * 1000),
            "cluster": cluster,
            "revision": policies.revision,
            "revision_number": published.number,
            "source": revision.source,
            "commit": revision.commit,
            "author": revision.author,
            "by": revision.by,
            "position": position,
            **_in_tier(tiers[policy.tier], places[policy.tier]),
            **_said(policy),
            "default_deny": _denies_all(policy, tiers[policy.tier]),
            "applies_to": workloads,
            "applies_to_count": len(workloads),
            "reporter": reporters_of(each for each in DIRECTIONS if each in policy.types),
            "verdict": {"namespace": _namespaces(policy, workloads)},
        }
        places[policy.tier] += 1
        yield f"{policies.revision}-{position}", {k: v for k, v in document.items() if v is not None}


def _namespaces(policy: Policy, workloads: Iterable[str]) -> list[str]:
    """Those of the workloads that it applies to, and its own."""
    found = {workload.partition("/")[0] for workload in workloads}
    return sorted(found | ({policy.key.namespace} if policy.key.namespace else set()))


def _in_tier(tier: Tier, position: int) -> dict[str, Any]:
    return {
        "tier": tier.name,
        "tier_order": tier.order,
        "tier_position": position,
        "tier_default_action": tier.default_action,
    }


def _said(policy: Policy) -> dict[str, Any]:
    key = policy.key
    return {
        "policy": str(key),
        "kind": MODEL_KINDS[key.kind],
        "namespace": key.namespace or None,
        "name": key.name,
        "order": policy.order,
        "staged": key.staged,
        "staged_action": policy.staged_action if key.staged else None,
        "types": [each.capitalize() for each in DIRECTIONS if each in policy.types],
        "selector": str(policy.selector),
        "ingress_rules": len(policy.ingress),
        "egress_rules": len(policy.egress),
        "rules": list(rules_say(policy)),
    }


def _denies_all(policy: Policy, tier: Tier) -> bool:
    """Whether it lets nothing through in the directions that it governs, and hands nothing on."""
    actions = {rule.action for each in policy.types for rule in policy.rules(each)}
    return bool(policy.types) and tier.default_action == "deny" and actions.isdisjoint(("allow", "pass"))
