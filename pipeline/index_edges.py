"""The index templates of edges and of what rules matched: fields named as in the flows' documents where
they mean the same, so that what is filtered in one dashboard is filtered in the next."""

from typing import Any

from pipeline.carried_filters import carried
from pipeline.composable import composable
from pipeline.kept import EDGES, RULES

_KEYWORD = {"type": "keyword", "ignore_above": 8191}
_COUNTED_ONLY = {"type": "keyword", "ignore_above": 8191, "index": False}
_LONG = {"type": "long", "index": False}
_TIME = {"type": "date", "format": "epoch_millis"}
_LAST = _TIME | {"index": False}
_IP = {"type": "ip", "ignore_malformed": True}
_HOUR_OF_WEEK = {"type": "short"}
_FLAG = {"type": "boolean"}

_EDGE: dict[str, Any] = {
    "@timestamp": _TIME,
    "cluster": _KEYWORD,
    "window": _KEYWORD,
    "reporter": _KEYWORD,
    "action": _KEYWORD,
    "proto": _KEYWORD,
    "source_type": _KEYWORD,
    "source_namespace": _KEYWORD,
    "source_name_aggr": _KEYWORD,
    "source_workload": _KEYWORD,
    "source_ip": _IP,
    "dest_type": _KEYWORD,
    "dest_namespace": _KEYWORD,
    "dest_name_aggr": _KEYWORD,
    "dest_workload": _KEYWORD,
    "dest_ip": _IP,
    "dest_port": {"type": "integer"},
    "dest_service_name": _KEYWORD,
    "dest_service_namespace": _KEYWORD,
    "dest_domains": _KEYWORD,
    "threats": _KEYWORD,
    "workload": _KEYWORD,
    "edge": _COUNTED_ONLY,
    "counted": _FLAG,
    "hour_of_week": _HOUR_OF_WEEK,
    "verdict": {
        "properties": {
            "namespace": _KEYWORD,
            "direction": _KEYWORD,
            "enforced": {"properties": {"action": _KEYWORD, "tier": _KEYWORD, "policy": _KEYWORD}},
            "promoted": {"properties": {"action": _KEYWORD}},
            "impact": _KEYWORD,
            "staged_deny": _KEYWORD,
            "staged_allow": _KEYWORD,
            "staged_unknown": _KEYWORD,
            "unknown": _KEYWORD,
            "unjudged": _KEYWORD,
            "agrees": _KEYWORD,
        }
    },
    "flows": _LONG,
    "connections": _LONG,
    "bytes_client": _LONG,
    "bytes_server": _LONG,
    "packets_client": _LONG,
    "packets_server": _LONG,
    "first": _LAST,
    "last": _LAST,
}
_RULE: dict[str, Any] = {
    "@timestamp": _TIME,
    "cluster": _KEYWORD,
    "namespace": _KEYWORD,
    **carried(),
    "direction": _KEYWORD,
    "tier": _KEYWORD,
    "policy": _KEYWORD,
    "rule": {"type": "integer"},
    "staged": _FLAG,
    "revision": _KEYWORD,
    "hits": _LONG,
    "possible_hits": _LONG,
    "connections": _LONG,
    "last_hit": _LAST,
}
_EDGE_SORT = ("source_namespace", "dest_namespace", "source_workload", "dest_workload", "@timestamp")
_RULE_SORT = ("policy", "direction", "rule", "@timestamp")


def templates(shards: int, replicas: int) -> dict[str, dict[str, Any]]:
    """The composable templates by name. The sort keeps like beside like, which compresses best."""
    settings: dict[str, Any] = {"codec": "best_compression", "refresh_interval": "5s"}
    return {
        EDGES: composable(EDGES, _EDGE, replicas, shards, sort={"field": list(_EDGE_SORT)}, **settings),
        RULES: composable(RULES, _RULE, replicas, sort={"field": list(_RULE_SORT)}, **settings),
    }
