"""What Elasticsearch is asked to get the figures of readiness, and what its answers say."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.impact import Traffic
from pipeline.readiness import HOURS_OF_WEEK, Figures
from pipeline.staged_policies import CONTENT, PolicyDocument, Staged

type Request = dict[str, Any]
type Answer = Mapping[str, Any]
type Policies = Mapping[str, PolicyDocument]  # by name
type Edges = defaultdict[str, Traffic]  # by the hash of the edge

_REVISIONS, _DOCUMENTS, _BUCKETS, _REASONS = 10_000, 1_000, 5_000, 100  # at most, of one answer
_HOUR_MS = 3_600_000
_PRECISION = 40_000  # distinct edges that are counted nearly exactly
# What only some of the shards answer would look as if less were cut.
WHOLE: Request = {"size": 0, "allow_partial_search_results": False}
_FLOWS = {"flows": {"sum": {"field": "flows"}}}


def edges_index(cluster: str, window: str = "hour") -> str:
    return f"flowtier_edges.{cluster}.{window}.*"


def revisions_request(cluster: str) -> Request:
    """Of which revisions there are policies, the newest first."""
    about = {"number": {"max": {"field": "revision_number"}}, "since": {"max": {"field": "@timestamp"}}}
    terms = {"field": "revision", "size": _REVISIONS, "order": {"number": "desc"}}
    return {**_policies_of(cluster), **WHOLE, "aggs": {"revisions": {"terms": terms, "aggs": about}}}


def revisions_of(answer: Answer) -> Iterator[tuple[str, int]]:
    """(revision, since when it is in force in ms), the newest first."""
    for bucket in buckets(answer, "revisions"):
        yield bucket["key"], int(bucket["since"]["value"])


def policies_request(cluster: str, revision: str, after: list[int]) -> Request:
    """The policies of a revision after a place in their order: those that can be read at once."""
    return {
        **_policies_of(cluster),
        **WHOLE,
        "query": {"term": {"revision": revision}},
        "sort": ["position"],
        "search_after": after,
        "size": _DOCUMENTS,
        "source_includes": ["policy", "staged", "namespace", "applies_to", *CONTENT],
    }


def policies_of(answer: Answer) -> tuple[list[PolicyDocument], list[int]]:
    """The policies, and the place of the last of them."""
    hits = answer["hits"]["hits"]
    return [hit["_source"] for hit in hits], hits[-1]["sort"] if hits else []


def seen_request(cluster: str, staged: Staged) -> Request:
    """When flows of its workloads were judged, how many, and for how many its effect is unknown."""
    workloads = {"terms": {"workload": staged.workloads}}
    directions = {"terms": {"verdict.direction": staged.directions}}
    unknown = {"term": {"verdict.staged_unknown": staged.policy}}
    ours = {
        "must": [{"exists": {"field": "verdict.enforced.action"}}],
        "filter": [directions],
        "should": [workloads, unknown],
        "minimum_should_match": 1,
    }
    judged = {
        **_FLOWS,
        "days": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day", "min_doc_count": 1}},
        "hours": _hours(),
        "workloads": {"terms": _only("workload", staged.workloads)},
        "disagreeing": {"filter": {"term": {"verdict.agrees": "action"}}, "aggs": _FLOWS},
        "first": {"min": {"field": "first"}},
        "last": {"max": {"field": "last"}},
    }
    reasons = {"reasons": {"terms": {"field": "verdict.unknown", "size": _REASONS}, "aggs": _FLOWS}}
    since = {
        "hours": _hours(),
        "judged": {"filter": {"bool": ours}, "aggs": judged},
        "unknown": {"filter": unknown, "aggs": {**_FLOWS, **reasons}},
    }
    active = {"filter": {"bool": {"filter": [workloads, directions]}}, "aggs": {"hours": _hours()}}
    newest = {"max": {"field": "@timestamp"}}
    aggs = {"since": {"filter": _since(staged), "aggs": since}, "active": active, "newest": newest}
    return {"index": edges_index(cluster), **WHOLE, "aggs": aggs}


def effect_request(cluster: str, staged: Staged, effect: str, after: Mapping[str, Any] | None) -> Request:
    """The edges to which it would do something (`staged_deny`, `staged_allow`), by reporter, in pages."""
    sources = [{name: {"terms": {"field": name}}} for name in ("edge", "reporter")]
    composite = {"size": _BUCKETS, "sources": sources, **({"after": after} if after else {})}
    figures = {name: {"sum": {"field": name}} for name in ("connections", "bytes_client", "bytes_server")}
    query = {"bool": {"filter": [{"term": {f"verdict.{effect}": staged.policy}}, _since(staged)]}}
    aggs = {"edges": {"composite": composite, "aggs": figures}}
    return {"index": edges_index(cluster), **WHOLE, "query": query, "aggs": aggs}


def add_effect(answer: Answer, edges: Edges) -> Mapping[str, Any] | None:
    """Add one page; after what the next one begins, None where there is none."""
    for bucket in buckets(answer, "edges"):
        traffic, reporter = edges[bucket["key"]["edge"]], bucket["key"]["reporter"]
        traffic.connections[reporter] += int(bucket["connections"]["value"])
        traffic.bytes[reporter] += sum(int(bucket[f"bytes_{end}"]["value"]) for end in ("client", "server"))
    after: Mapping[str, Any] | None = answer.get("aggregations", {}).get("edges", {}).get("after_key")
    return after


def denied_request(cluster: str, policies: list[str]) -> Request:
    """How many distinct edges each of these policies alone denied, as far back as days are kept."""
    edges = {"edges": {"cardinality": {"field": "edge", "precision_threshold": _PRECISION}}}
    return {
        "index": edges_index(cluster, "day"),
        **WHOLE,
        "query": {"terms": {"verdict.staged_deny": policies}},
        "aggs": {"policies": {"terms": _only("verdict.staged_deny", policies), "aggs": edges}},
    }


def denied_of(answer: Answer) -> dict[str, int]:
    return {each["key"]: each["edges"]["value"] for each in buckets(answer, "policies")}


def figures_of(staged: Staged, seen: Answer, cut: Edges, opened: Edges, at: int) -> Figures:
    """The figures that the answers make together, at a time (ms)."""
    if "aggregations" not in seen:  # there is no index yet
        return Figures(unjudged=staged.unjudged, **_workloads(staged, ()))
    since, active = seen["aggregations"]["since"], seen["aggregations"]["active"]
    judged, unknown = since["judged"], since["unknown"]
    return Figures(
        unjudged=staged.unjudged,
        days=len(judged["days"]["buckets"]),
        hours_of_week=len(judged["hours"]["buckets"]),
        hours_of_week_active=len(active["hours"]["buckets"]),
        hours_of_week_watched=len(since["hours"]["buckets"]),
        hours_behind=(at - (_time(seen["aggregations"]["newest"]) or 0)) // _HOUR_MS,
        edges_cut=len(cut),
        connections_cut=sum(traffic.counted[0] for traffic in cut.values()),
        bytes_cut=sum(traffic.counted[1] for traffic in cut.values()),
        edges_opened=len(opened),
        connections_opened=sum(traffic.counted[0] for traffic in opened.values()),
        flows_judged=int(judged["flows"]["value"]),
        flows_unknown=int(unknown["flows"]["value"]),
        unknown_reasons={each["key"]: int(each["flows"]["value"]) for each in unknown["reasons"]["buckets"]},
        flows_disagreeing=int(judged["disagreeing"]["flows"]["value"]),
        first=_time(judged["first"]),
        last=_time(judged["last"]),
        **_workloads(staged, [each["key"] for each in judged["workloads"]["buckets"]]),
    )


def _workloads(staged: Staged, seen: Any) -> dict[str, Any]:
    silent = sorted({*staged.workloads} - {*seen})
    return {"workloads": len(staged.workloads), "silent_workloads": tuple(silent)}


def _policies_of(cluster: str) -> Request:
    return {"index": f"flowtier_policies.{cluster}", "ignore_unavailable": True}


def _since(staged: Staged) -> Request:
    if staged.since is None:
        return {"match_all": {}}
    return {"range": {"@timestamp": {"gte": staged.since, "format": "epoch_millis"}}}


def _hours() -> Request:
    return {"terms": {"field": "hour_of_week", "size": HOURS_OF_WEEK}}


def _only(field: str, values: Sequence[str]) -> Request:
    return {"field": field, "include": values, "size": max(len(values), 1)}


def _time(answer: Answer) -> int | None:
    return None if answer["value"] is None else int(answer["value"])


def buckets(answer: Answer, name: str) -> list[dict[str, Any]]:
    """None where there is no index yet."""
    found: list[dict[str, Any]] = answer.get("aggregations", {}).get(name, {}).get("buckets", [])
    return found
