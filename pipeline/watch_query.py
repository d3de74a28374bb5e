"""What `flowtier watch` asks Elasticsearch, and what the answers say."""

from collections.abc import Mapping
from typing import Any

from pipeline.changes import NAMED_EDGES, DeniedEdge, Kind, Pair, Share
from pipeline.readiness_query import WHOLE, Answer, Request, buckets, edges_index

_PAGE, _LOOKED_AT, _REASONS = 5_000, 10_000, 3
_FLOWS = {"flows": {"sum": {"field": "flows"}}}
_ENDS = ("namespace", "workload")
_SOURCE = [*(f"{side}_{end}" for side in ("source", "dest") for end in _ENDS), "proto", "dest_port"]


def pairs_request(cluster: str, since: int, after: Mapping[str, Any] | None) -> Request:
    """The edges that staged policies alone denied, of days that begin at `since` (ms) or later."""
    sources = [
        {"policy": {"terms": {"field": "verdict.staged_deny"}}},
        {"edge": {"terms": {"field": "edge"}}},
    ]
    composite = {"size": _PAGE, "sources": sources, **({"after": after} if after else {})}
    return {
        "index": edges_index(cluster, "day"),
        **WHOLE,
        "query": {"range": {"@timestamp": {"gte": since, "format": "epoch_millis"}}},
        "aggs": {"pairs": {"composite": composite}},
    }


def pairs_of(answer: Answer) -> tuple[list[Pair], Mapping[str, Any] | None]:
    """A page of them, and after what the next one begins."""
    found = [(each["key"]["policy"], each["key"]["edge"]) for each in buckets(answer, "pairs")]
    return found, answer.get("aggregations", {}).get("pairs", {}).get("after_key")


def edges_request(cluster: str, policy: str, edges: list[str]) -> Request:
    """How some edges that a policy denies are called: those with most connections."""
    about = {
        "connections": {"sum": {"field": "connections"}},
        "one": {"top_hits": {"size": 1, "_source": _SOURCE}},
    }
    order = {"connections": "desc"}
    terms = {"field": "edge", "include": edges[:_LOOKED_AT], "size": NAMED_EDGES, "order": order}
    return {
        "index": edges_index(cluster, "day"),
        **WHOLE,
        "query": {"term": {"verdict.staged_deny": policy}},
        "aggs": {"edges": {"terms": terms, "aggs": about}},
    }


def edges_of(answer: Answer) -> list[DeniedEdge]:
    """The edges by name."""
    seen = [each["one"]["hits"]["hits"][0]["_source"] for each in buckets(answer, "edges")]
    return [DeniedEdge(_end(each, "source"), _end(each, "dest"), _service(each)) for each in seen]


def shares_request(cluster: str, hour: int, day: int) -> Request:
    """Flows of the last hour, which began at `hour` (ms), and of the day before it, which began at `day`."""
    agrees = {"compared": ["yes", "action", "rule"], "disagrees": ["action", "rule"]}
    aggs: Request = {
        name: {"filter": {"terms": {"verdict.agrees": words}}, "aggs": _FLOWS}
        for name, words in agrees.items()
    }
    aggs["judged"] = {"filter": {"exists": {"field": "verdict.enforced.action"}}, "aggs": _FLOWS}
    reasons = {
        "terms": {"field": "verdict.unknown", "size": _REASONS, "order": {"flows": "desc"}},
        "aggs": _FLOWS,
    }
    aggs["unknown"] = {
        "filter": {"term": {"verdict.enforced.action": "unknown"}},
        "aggs": {**_FLOWS, "reasons": reasons},
    }
    ranges = {"now": {"gte": hour}, "before": {"gte": day, "lt": hour}}
    parts = {
        name: {"filter": {"range": {"@timestamp": {**bounds, "format": "epoch_millis"}}}, "aggs": aggs}
        for name, bounds in ranges.items()
    }
    return {"index": edges_index(cluster, "interval"), **WHOLE, "aggs": parts}


def shares_of(answer: Answer) -> dict[Kind, Share]:
    """Empty where there is no index yet."""
    if "aggregations" not in answer:
        return {}
    now, before = answer["aggregations"]["now"], answer["aggregations"]["before"]
    why = tuple(each["key"] for each in now["unknown"]["reasons"]["buckets"])
    return {
        "disagreement_rises": _share(now, before, "disagrees", "compared", ()),
        "unknown_rises": _share(now, before, "unknown", "judged", why),
    }


def _share(now: Answer, before: Answer, part: str, of: str, why: tuple[str, ...]) -> Share:
    def flows(side: Answer, name: str) -> int:
        return int(side[name]["flows"]["value"])

    return Share(flows(now, part), flows(now, of), flows(before, part), flows(before, of), why)


def _service(seen: Mapping[str, Any]) -> str:
    port = seen.get("dest_port")
    return f"{seen.get('proto') or 'any'}/{'*' if port is None else port}"


def _end(seen: Mapping[str, Any], side: str) -> str:
    namespace, workload = (seen.get(f"{side}_{end}") for end in _ENDS)
    return f"{workload}" if namespace in (None, "-") else f"{namespace}/{workload}"
