"""A staged policy's manifest ▸ its enforced twin's: what it is called, and which fields it does without."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from pipeline.policy.problems import Location
from pipeline.policy.resources import Document

# What only says that a policy is staged, or how its recommendation stands (CALICO.md §9).
STAGED_LABEL = "projectcalico.org/spec.stagedAction"
RECOMMENDER = "policyrecommendation.tigera.io/"

_TWINS = {
    "StagedNetworkPolicy": "NetworkPolicy",
    "StagedGlobalNetworkPolicy": "GlobalNetworkPolicy",
    "StagedKubernetesNetworkPolicy": "NetworkPolicy",
}


def enforced_names(document: Document) -> dict[str, str]:
    """What its kind, and the API version where that is another one, become."""
    kind = document["kind"]
    version = {"apiVersion": "networking.k8s.io/v1"} if kind == "StagedKubernetesNetworkPolicy" else {}
    return {**version, "kind": _TWINS[kind]}


def left_out(document: Document) -> list[Location]:
    """The fields that the enforced twin does without; a mapping that would be left empty goes itself."""
    fields: list[Location] = []
    if "stagedAction" in (document.get("spec") or {}):
        fields.append(("spec", "stagedAction"))
    metadata = document.get("metadata") or {}
    fields += _goes(metadata, ("metadata", "labels"), lambda name: name == STAGED_LABEL)
    fields += _goes(metadata, ("metadata", "annotations"), _is_recommenders)
    for direction in ("ingress", "egress"):
        for number, rule in enumerate((document.get("spec") or {}).get(direction) or []):
            at = ("spec", direction, number, "metadata")
            found = list(_goes(rule.get("metadata") or {}, (*at, "annotations"), _is_recommenders))
            whole = found == [(*at, "annotations")] and len(rule["metadata"]) == 1
            fields += [at] if whole else found
    return fields


def enforced(document: Document) -> Document:
    """The manifest of the enforced twin."""
    twin = deepcopy(document)
    for *around, name in left_out(document):
        value: Any = twin
        for part in around:
            value = value[part]
        del value[name]
    return twin | enforced_names(document)


def _is_recommenders(name: str) -> bool:
    return name.startswith(RECOMMENDER)


def _goes(holder: dict[str, Any], at: Location, goes: Callable[[str], bool]) -> Iterator[Location]:
    entries = holder.get(str(at[-1])) or {}
    gone = [name for name in entries if goes(name)]
    if gone and len(gone) == len(entries):
        yield at
    else:
        yield from ((*at, name) for name in gone)
