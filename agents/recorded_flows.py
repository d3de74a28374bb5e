"""The flows of a time as Elasticsearch holds them: one point in time, read in slices side by side."""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch, NotFoundError

from agents.reach import ReachError
from agents.reach_elasticsearch import refusal
from pipeline.annotate import INDEX_PREFIX
from pipeline.flow import Message
from pipeline.settings import Settings

_PAGE = 5_000  # documents of about a kilobyte
_KEPT = "5m"  # between two pages


def recorded_flows(settings: Settings, since: float, until: float, at_once: int) -> Iterator[list[Message]]:
    """The flows that ended in [since, until), epoch seconds, each a message, a page of a slice at a time.

    The flows are those of one moment, whatever is written meanwhile. Raises ReachError where Elasticsearch
    refuses us, has none of the cluster's indices, or does not answer any more.
    """
    where = f"Elasticsearch at {', '.join(settings.elasticsearch.urls)}"
    index = f"{INDEX_PREFIX}.{settings.cluster}.*"
    query = {"range": {"@timestamp": {"gte": int(since * 1000), "lt": int(until * 1000)}}}
    try:
        with Elasticsearch(**settings.elasticsearch.client_options()) as client:
            pages = _Pages(client, _point_in_time(client, index, where), query)
            try:
                yield from pages.all(at_once)
            finally:
                client.close_point_in_time(id=pages.point)
    except (ApiError, TransportError) as error:
        problem = refusal(settings.elasticsearch, error)
        words = f"{where} ended while flows were read, so nothing is told of them: {error.message}"
        raise ReachError(problem or words) from None


def recorded_flow(settings: Settings, document_id: str) -> bytes:
    """The flow with this `_id`, as JSON. Raises ReachError where Elasticsearch has none, or refuses us."""
    where = f"Elasticsearch at {', '.join(settings.elasticsearch.urls)}"
    index = f"{INDEX_PREFIX}.{settings.cluster}.*"
    try:
        with Elasticsearch(**settings.elasticsearch.client_options()) as client:
            query = {"ids": {"values": [document_id]}}
            answer = client.search(index=index, query=query, size=1, source_excludes=["verdict"])
    except (ApiError, TransportError) as error:
        raise ReachError(refusal(settings.elasticsearch, error) or f"{where}: {error.message}") from None
    hits = answer.body["hits"]["hits"]
    if not hits:
        raise ReachError(f"{where} has no flow of this cluster with the _id {document_id}")
    return orjson.dumps(hits[0]["_source"])


@dataclass(slots=True)
class _Pages:
    """The pages of all documents that match, as they were at one point in time."""

    client: Elasticsearch
    point: str
    query: Mapping[str, Any]

    def all(self, slices: int) -> Iterator[list[Message]]:
        """A page of each slice in turn, the next one of each read meanwhile."""
        with ThreadPoolExecutor(slices) as pool:
            waiting: deque[tuple[int, Future[list[dict[str, Any]]]]] = deque(
                (number, pool.submit(self._page, number, slices, None)) for number in range(slices)
            )
            while waiting:
                number, page = waiting.popleft()
                if hits := page.result():
                    waiting.append((number, pool.submit(self._page, number, slices, hits[-1]["sort"])))
                    yield [_message(hit) for hit in hits]

    def _page(self, number: int, slices: int, after: list[int] | None) -> list[dict[str, Any]]:
        answer = self.client.search(
            query=self.query,
            size=_PAGE,
            pit={"id": self.point, "keep_alive": _KEPT},
            slice={"id": number, "max": slices} if slices > 1 else None,
            sort=[{"_shard_doc": "asc"}],
            search_after=after,
            source_excludes=["verdict"],
            track_total_hits=False,
            allow_partial_search_results=False,
        )
        hits: list[dict[str, Any]] = answer.body["hits"]["hits"]
        return hits


def _point_in_time(client: Elasticsearch, index: str, where: str) -> str:
    try:
        if client.indices.get(index=index, filter_path="*.aliases").body:
            return str(client.open_point_in_time(index=index, keep_alive=_KEPT).body["id"])
    except NotFoundError:
        pass
    raise ReachError(f"{where} has no flows of this cluster: there is no index {index}")


def _message(hit: Mapping[str, Any]) -> Message:
    source = hit["_source"]
    # A record without times has been given Kafka's.
    return Message(orjson.dumps(source), hit["_id"], 0, 0, int(source["@timestamp"]))
