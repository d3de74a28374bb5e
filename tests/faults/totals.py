"""What Elasticsearch and the readers of the observations hold in the end, against what was sent."""

from collections.abc import Iterator
from typing import Any

from elasticsearch import Elasticsearch

from tests.agents.installation import Installation
from tests.faults.sender import connections
from tests.waiting import until

PAGE = 10_000


def check_each_once(installation: Installation, total: int, seconds: float = 120) -> None:
    """Flows number 0 to `total` (`sender.numbered`) are documents, each one, and observed once."""
    until(lambda: installation.documents() >= total, seconds)
    found = list(_numbers(installation))
    assert [number for number, _ in found] == list(range(total))
    assert all(documents == 1 for _, documents in found)
    expected = (total, sum(range(total)), sum(map(connections, range(total))))
    assert _indexed(installation) == expected
    until(lambda: _observed(installation)[0] >= total)
    assert _observed(installation) == expected


def _indexed(installation: Installation) -> tuple[int, int, int]:
    """Flows, bytes and connections of the documents."""
    aggregations = {name: {"sum": {"field": name}} for name in ("bytes_in", "num_flows")}
    answer = _search(installation, aggs=aggregations)
    sums = [int(answer["aggregations"][name]["value"]) for name in aggregations]
    return answer["hits"]["total"]["value"], sums[0], sums[1]


def _observed(installation: Installation) -> tuple[int, int, int]:
    """The same of what a committed reader of the observations finds."""
    edges = list(installation.edges())
    flows, received, connected = (
        sum(edge[name] for edge in edges) for name in ("flows", "bytes_in", "connections")
    )
    return flows, received, connected


def _numbers(installation: Installation) -> Iterator[tuple[int, int]]:
    """The numbers of the flows, in order, each with how many documents have it."""
    composite: dict[str, Any] = {"size": PAGE, "sources": [{"number": {"terms": {"field": "bytes_in"}}}]}
    while True:
        found = _search(installation, aggs={"all": {"composite": composite}})["aggregations"]["all"]
        yield from ((bucket["key"]["number"], bucket["doc_count"]) for bucket in found["buckets"])
        if "after_key" not in found:
            return
        composite["after"] = found["after_key"]


def _search(installation: Installation, **options: Any) -> dict[str, Any]:
    index = f"flowtier_flows.{installation.name}.*"
    with Elasticsearch(installation.elasticsearch, request_timeout=60) as client:
        return client.search(index=index, size=0, track_total_hits=True, **options).body
