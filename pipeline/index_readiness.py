"""How ready each staged policy of the revision in force is to be enforced: the template of its index."""

from typing import Any

from pipeline.carried_filters import carried
from pipeline.composable import composable

TEMPLATE = "flowtier_readiness"

_KEYWORD = {"type": "keyword", "ignore_above": 8191}
_COUNT = {"type": "long"}
_TIME = {"type": "date", "format": "epoch_millis"}
_PROPERTIES: dict[str, Any] = {
    "@timestamp": _TIME,
    "cluster": _KEYWORD,
    "revision": _KEYWORD,
    "policy": _KEYWORD,
    "tier": _KEYWORD,
    "namespace": _KEYWORD,
    "word": _KEYWORD,
    "reason": _KEYWORD,
    "days": _COUNT,
    "hours_of_week": _COUNT,
    "edges_cut": _COUNT,
    "connections_cut": _COUNT,
    "bytes_cut": _COUNT,
    "edges_opened": _COUNT,
    "connections_opened": _COUNT,
    "flows_judged": _COUNT,
    "flows_unknown": _COUNT,
    "unknown_share": {"type": "float"},
    "flows_disagreeing": _COUNT,
    "unknown_reasons": _KEYWORD,
    "workloads": _COUNT,
    "workloads_without_flows": _COUNT,
    "silent_workloads": _KEYWORD,
    "first": _TIME,
    "last": _TIME,
    **carried(impact=_KEYWORD),
}


def index_of(cluster: str) -> str:
    return f"{TEMPLATE}.{cluster}"


def index_template(replicas: int) -> dict[str, Any]:
    """The composable template: a document a staged policy, written again every few minutes."""
    return composable(TEMPLATE, _PROPERTIES, replicas, codec="best_compression")
