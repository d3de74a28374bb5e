"""The policies that apply to each workload, tier by tier, in the order that Calico resolves them."""

import gzip
from pathlib import Path
from typing import Any

import orjson

from pipeline.policy.load import load_texts
from pipeline.policy.policies import Direction, Policies
from pipeline.policy.revision import to_policies
from tests.conformance.oracle import documents_of

DATA = Path(__file__).parent / "data" / "oracle_cases.jsonl.gz"
DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")


def _labels(workload: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """The labels that selectors see (CALICO.md §2.6); a bare workload has no profiles to inherit from."""
    namespace, account = workload["namespace"], workload.get("serviceAccount", "")
    inherited: dict[str, str] = {}
    if workload["kind"] == "pod":
        accounts = {
            (item["namespace"], item["name"]): item.get("labels", {}) for item in case["serviceAccounts"]
        }
        of_namespace = {item["name"]: item.get("labels", {}) for item in case["namespaces"]}[namespace]
        of_account = accounts.get((namespace, account), {})
        inherited |= {f"pcsa.{key}": value for key, value in of_account.items()}
        inherited |= {f"pcns.{key}": value for key, value in of_namespace.items()}
        inherited |= {"pcns.projectcalico.org/name": namespace, "pcsa.projectcalico.org/name": account}
    own = {"projectcalico.org/namespace": namespace, "projectcalico.org/orchestrator": "k8s"}
    if account:
        own["projectcalico.org/serviceaccount"] = account
    return inherited | workload.get("labels", {}) | own


def _resolved(policies: Policies, labels: dict[str, str], direction: Direction) -> list[dict[str, Any]]:
    applying = [
        policy
        for policy in policies.policies
        if policy.workloads
        and direction in policy.types
        and policy.staged_action != "Delete"
        and policy.selector.matches(labels)
    ]
    resolved = []
    for tier in policies.tiers:
        names = [str(policy.key).replace(":", "/") for policy in applying if policy.tier == tier.name]
        if names:
            action = tier.default_action.capitalize()
            resolved.append({"defaultAction": action, "policies": names, "tier": tier.name})
    return resolved


def test_all_240_sets_resolve_as_calico_resolves_them() -> None:
    sets = workloads = 0
    with gzip.open(DATA) as lines:
        for case in map(orjson.loads, lines):
            documents = documents_of(case)
            policies = to_policies(load_texts((case["id"], orjson.dumps(item)) for item in documents))
            sets += 1
            for workload in case["endpoints"]:
                if workload["kind"] == "hep":
                    continue
                workloads += 1
                name = f"{workload['namespace']}/{workload['name']}"
                expected = case["resolved"].get(name, {})
                labels = _labels(workload, case)
                for direction in DIRECTIONS:
                    found = _resolved(policies, labels, direction)
                    assert found == (expected.get(direction) or []), (case["id"], name, direction)
    assert (sets, workloads) == (240, 1671)
