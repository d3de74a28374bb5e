"""Recommendations as documents: one for each, under its name, for the dashboards."""

from typing import Any

from pipeline.composable import composable
from pipeline.recommend.recommendation import Opened, Recommendation, Replay, Score
from pipeline.recommend.render import to_yaml

TEMPLATE = "flowtier_recommendations"

_KEYWORD = {"type": "keyword", "ignore_above": 8191}
_NUMBER = {"type": "long"}
_SHARE = {"type": "float"}
_TIME = {"type": "date", "format": "epoch_millis"}
_KEPT = {"type": "object", "enabled": False}
_TEXT = {"type": "keyword", "index": False, "doc_values": False}

_REPLAY = {"allowed": _NUMBER, "cut": _NUMBER, "unknown": _NUMBER, "recall": _SHARE}
_OPENED = {"pairs": _NUMBER, "addresses": _NUMBER, "all_pairs": _NUMBER}
_PROPERTIES: dict[str, Any] = {
    "@timestamp": _TIME,
    "cluster": _KEYWORD,
    "name": _KEYWORD,
    "namespace": _KEYWORD,
    # What a dashboard filters flows and edges by filters these too.
    "verdict": {"properties": {"namespace": {"type": "alias", "path": "namespace"}}},
    "mode": _KEYWORD,
    "workloads": _KEYWORD,
    "manifest": _TEXT,
    "status": {
        "properties": {
            "word": _KEYWORD,
            "reason": _KEYWORD,
            "hours": _NUMBER,
            "days": _NUMBER,
            "hours_of_week": _NUMBER,
            "unseen_share": _SHARE,
        }
    },
    "score": {
        "properties": {
            "cut_at": _TIME,
            "replay": {"properties": _REPLAY},
            "would_cut": _KEYWORD,
            "opened": {"properties": _OPENED},
            "namespace_replay": {"properties": _REPLAY},
            "namespace_opened": {"properties": _OPENED},
        }
    },
    "connections": _NUMBER,
    "rule_count": _NUMBER,
    "risk_count": _NUMBER,
    "widening_count": _NUMBER,
    "rules": _KEPT,
    "warnings": _KEYWORD,
    "set_aside": _KEPT,
    "revision": _KEYWORD,
    "learned_from": _TIME,
    "learned_until": _TIME,
    "tightens": _KEYWORD,
    "decision": _KEYWORD,
}


def index_of(cluster: str) -> str:
    return f"{TEMPLATE}.{cluster}"


def index_template(replicas: int = 0) -> dict[str, Any]:
    """The composable template: a few thousand documents that are written again and again."""
    return composable(TEMPLATE, _PROPERTIES, replicas)


def document_of(recommendation: Recommendation, cluster: str) -> dict[str, Any]:
    """What is indexed of a recommendation: its manifest as YAML, and numbers of what it holds."""
    each = recommendation
    evidence = [rule.evidence for rule in each.rules if rule.evidence]
    return {
        "@timestamp": each.learned_until,
        "cluster": cluster,
        "name": each.name,
        "namespace": each.namespace,
        "mode": each.mode,
        "workloads": each.workloads,
        "manifest": to_yaml(each.manifest),
        "status": each.status,
        "score": _score(each.score) if each.score else None,
        "connections": sum(seen.connections for seen in evidence),
        "rule_count": len(each.rules),
        "risk_count": sum(rule.risk is not None for rule in each.rules),
        "widening_count": sum(rule.widening is not None for rule in each.rules),
        "rules": {"all": each.rules},
        "warnings": each.warnings,
        "set_aside": {"all": each.set_aside},
        "revision": each.revision,
        "learned_from": each.learned_from,
        "learned_until": each.learned_until,
        "tightens": each.tightens,
        "decision": each.decision,
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "cut_at": score.cut_at,
        "replay": _replay(score.replay),
        "would_cut": score.would_cut,
        "opened": _opened(score.opened),
        "namespace_replay": _replay(score.namespace_replay),
        "namespace_opened": _opened(score.namespace_opened),
    }


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "allowed": replay.allowed,
        "cut": replay.cut,
        "unknown": replay.unknown,
        "recall": replay.recall,
    }


def _opened(opened: Opened) -> dict[str, Any]:
    return {"pairs": opened.pairs, "addresses": opened.addresses, "all_pairs": opened.all_pairs}
