"""Edges and policies as workers roll them up, put into Elasticsearch by a test."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from pipeline.edge_documents import hour_of_week
from pipeline.index import put_templates

HOUR = 3_600_000
DAY = 24 * HOUR
PERIODS = {
    "interval": lambda at: f"{at:%Y%m%d}",
    "hour": lambda at: f"{at - timedelta(days=at.weekday()):%Y%m%d}",
    "day": lambda at: f"{at:%Y%m}",
}
KEYWORD = {"type": "keyword"}
POLICIES = {
    "dynamic": False,
    "properties": {
        "@timestamp": {"type": "date", "format": "epoch_millis"},
        "revision": KEYWORD,
        "revision_number": {"type": "long"},
        "position": {"type": "integer"},
    },
}


def edge(
    at: int, source: str = "web", dest: str = "cart", window: str = "hour", **changes: Any
) -> dict[str, Any]:
    """An allowed edge within namespace shop in the window that begins at `at`."""
    reporter = changes.pop("reporter", "dst")
    verdict = {
        "namespace": "shop",
        "direction": "ingress" if reporter == "dst" else "egress",
        "enforced": {"action": "allow"},
        "promoted": {"action": "allow"},
        "impact": "none",
        "agrees": "yes",
    }
    return (
        {
            "@timestamp": at,
            "window": window,
            "hour_of_week": hour_of_week(at),
            "reporter": reporter,
            "action": "allow",
            "proto": "tcp",
            "source_type": "wep",
            "source_namespace": "shop",
            "source_workload": source,
            "dest_type": "wep",
            "dest_namespace": "shop",
            "dest_workload": dest,
            "dest_port": 8080,
            "workload": f"shop/{dest if reporter == 'dst' else source}",
            "edge": f"{source}-{dest}",
            "counted": reporter == "src",
            "flows": 1,
            "connections": 1,
            "bytes_client": 10,
            "bytes_server": 100,
            "first": at,
            "last": at + 1,
        }
        | changes
        | {"verdict": verdict | changes.pop("verdict", {})}
    )


def index_of(cluster: str, document: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(document["@timestamp"] / 1000, UTC)
    return f"flowtier_edges.{cluster}.{document['window']}.{PERIODS[document['window']](at)}"


async def put_edges(search: AsyncElasticsearch, cluster: str, documents: Iterable[dict[str, Any]]) -> None:
    await put_templates(search)
    await async_bulk(
        search,
        ({"_index": index_of(cluster, each), "_source": {"cluster": cluster, **each}} for each in documents),
        refresh=True,
    )


async def put_policies(
    search: AsyncElasticsearch, cluster: str, revision: str, since: int, policies: list[dict[str, Any]]
) -> None:
    """The policies of a revision that is in force since a time (ms)."""
    index = f"flowtier_policies.{cluster}"
    if not await search.indices.exists(index=index):
        await search.indices.create(index=index, mappings=POLICIES)
    about = {"@timestamp": since, "cluster": cluster, "revision": revision, "revision_number": since}
    await async_bulk(
        search,
        (
            {"_index": index, "_id": f"{revision}-{place}", "_source": {**about, "position": place, **each}}
            for place, each in enumerate(policies)
        ),
        refresh=True,
    )
