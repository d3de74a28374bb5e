"""Topic flows-rejected ▸ Elasticsearch: what was rejected and why, for the dashboards."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import structlog

from agents.elastic import Elastic
from agents.group_topic import Most, Taken
from agents.health import Health
from agents.index_topic import IndexTopic
from agents.indexed_topic import IndexedTopic
from agents.topics import Topics
from pipeline import metrics
from pipeline.edges import Place
from pipeline.flow import Message
from pipeline.index import Bulk
from pipeline.index_rejects import document_of
from pipeline.index_versions import Versioned, Versions
from pipeline.kept import rejects_series
from pipeline.kept_rejects import UnknownRecordError
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_MOST = Most(lines=1_000, bytes=2**20, seconds=1.0)


class IndexRejects(IndexTopic):
    """Each reject is a document, under the place of its record; a replay is none."""

    about = "rejects"
    doing = "indexing rejects"
    lag = metrics.REJECTS_LAG

    def __init__(self, settings: Settings, health: Health, elastic: Elastic, **kwargs: Any) -> None:
        super().__init__(settings, health, elastic, **kwargs)
        self._bulk = Bulk(settings.elasticsearch.bulk_documents, settings.elasticsearch.bulk_bytes)
        self._series = rejects_series(settings)

    def _join(self) -> IndexedTopic:
        name, group = Topics(self._settings).rejects.name, f"{self._settings.worker.group}-rejects"
        return IndexedTopic(self._settings, name, group, _MOST)

    async def _index(self, topic: IndexedTopic, taken: Taken) -> None:
        documents = list(self._documents(taken.messages))
        writing = self._elastic.persist(
            lambda on_retry: Versions(self._elastic.client, self._bulk, on_retry).write(documents)
        )
        outcome = await self._written(topic, taken, writing)
        if outcome is None:
            return
        for place, reason in outcome.rejected.items():
            log.error("Elasticsearch refuses a reject's document", id=place.id, reason=reason)
        committed = await self._run(lambda: topic.commit(taken))
        if committed:
            metrics.REJECTS_DOCUMENTS.labels("written").inc(outcome.written)
            metrics.REJECTS_DOCUMENTS.labels("stale").inc(len(outcome.stale))
            metrics.REJECTS_DOCUMENTS.labels("rejected").inc(len(outcome.rejected))

    def _documents(self, messages: Sequence[Message]) -> Iterator[Versioned]:
        now = time.time()
        for message in messages:
            if not self._series.is_kept(message.timestamp, now):
                continue
            try:
                document = document_of(message, self._settings.cluster)
            except UnknownRecordError as error:
                log.warning(
                    "a record of flows-rejected is passed over", offset=message.offset, why=str(error)
                )
                continue
            if document:
                yield Versioned(self._place(message), message.offset + 1, msgspec.json.encode(document))

    def _place(self, message: Message) -> Place:
        id_ = f"{message.topic_id}-{message.partition}-{message.offset}"
        return Place(self._series.index_of(message.timestamp), id_)
