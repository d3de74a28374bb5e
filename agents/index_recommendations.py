"""Topic policy-recommendations ▸ Elasticsearch: what stands there is a document, what is withdrawn none."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import structlog
from elastic_transport import TransportError
from elasticsearch import ApiError

from agents.elastic import Elastic
from agents.recommender import Recommender
from agents.topics import Topics
from agents.troubles import Troubles
from pipeline import index_recommendations as documents
from pipeline.index import is_reject
from pipeline.recommend.recommendation import Recommendation
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_WITHIN_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_AT_ONCE = 100  # documents
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}

# None: deleted.
type Documents = dict[str, bytes | None]


class IndexRecommendations:
    """What a worker takes from the topic is written before the offset is committed, for as long as that
    takes: Elasticsearch may be away, and the topic keeps what waits."""

    def __init__(self, settings: Settings, elastic: Elastic, troubles: Troubles) -> None:
        self._settings = settings
        self._index = documents.index_of(settings.cluster)
        self._elastic = elastic
        self._troubles = troubles

    def follow(self, recommender: Recommender) -> None:
        """Take part in the topic with an app that is not started yet."""
        topic = Topics(self._settings).recommendations.name

        async def take(messages: list[Any]) -> bool:
            last = {each.key.decode(errors="replace"): each.value for each in messages}
            waiting = dict(self._documents(last))
            # A partition that is another worker's by now is left to it, lest ours overwrites what is newer.
            while waiting and all(map(recommender.is_current, messages)):
                waiting = await self._write(waiting)
            return not waiting

        recommender.take(topic, _WITHIN_SECONDS, take)

    def _documents(self, last: dict[str, bytes | None]) -> Iterator[tuple[str, bytes | None]]:
        for name, value in last.items():
            try:
                yield name, self._document(value) if value is not None else None
            except msgspec.MsgspecError as error:
                log.warning(
                    "a recommendation that cannot be read is not indexed", name=name, reason=str(error)
                )

    def _document(self, value: bytes) -> bytes:
        recommendation = msgspec.json.decode(value, type=Recommendation)
        return msgspec.json.encode(documents.document_of(recommendation, self._settings.cluster))

    async def _write(self, waiting: Documents) -> Documents:
        """Send some; what is still to be sent."""
        await self._elastic.ready.wait()
        names = list(waiting)[:_AT_ONCE]
        try:
            answer = await self._elastic.client.options(max_retries=0).perform_request(
                "POST", "/_bulk", headers=_HEADERS, body=self._body({name: waiting[name] for name in names})
            )
            again, words = _sort_out(names, answer.body["items"])
        except (ApiError, TransportError) as error:
            again, words = names, f"{type(error).__name__}: {error.message}"
        problem = f"Elasticsearch does not take recommendations; they are sent again until it does: {words}"
        self._troubles.tell("index", problem if again else None)
        if again:
            await asyncio.sleep(_RETRY_SECONDS)
        return {name: waiting[name] for name in waiting if name not in names or name in again}

    def _body(self, some: Documents) -> bytes:
        lines = []
        for name, document in some.items():
            action = "delete" if document is None else "index"
            lines.append(msgspec.json.encode({action: {"_index": self._index, "_id": name}}))
            lines += [] if document is None else [document]
        return b"\n".join((*lines, b""))


def _sort_out(names: list[str], items: list[dict[str, Any]]) -> tuple[list[str], str]:
    """What is to be sent again, and why in words."""
    again, words = [], ""
    for name, item in zip(names, items, strict=True):
        [(action, answer)] = item.items()
        error = answer.get("error")
        if not error or (action == "delete" and answer["status"] == 404):
            continue
        reason = f"{error['type']}: {error.get('reason')}"
        if is_reject(error):
            log.error("Elasticsearch refuses a recommendation", name=name, reason=reason)
        else:
            again.append(name)
            words = reason
    return again, words
