"""Topic flow-observations ▸ Elasticsearch: edges by window, and what rules matched, for the dashboards."""

import time
from typing import Any

import structlog

from agents.elastic import Elastic
from agents.group_topic import Most, Taken
from agents.health import Health
from agents.index_topic import IndexTopic
from agents.indexed_topic import IndexedTopic
from agents.topics import Topics
from agents.write_edges import WriteEdges
from pipeline import metrics
from pipeline.edges import RolledUp, roll_up
from pipeline.index_versions import Outcome
from pipeline.kept import Kept
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_MOST_BYTES = 4 * 2**20


class RollUpEdges(IndexTopic):
    """Each batch is folded in a thread before it is written."""

    about = "edges"
    doing = "rolling up"
    lag = metrics.EDGES_LAG

    def __init__(self, settings: Settings, health: Health, elastic: Elastic, **kwargs: Any) -> None:
        super().__init__(settings, health, elastic, **kwargs)
        self._kept = Kept(settings.cluster, settings.edges)
        self._write = WriteEdges(settings.elasticsearch, elastic)
        self._epoch = 0

    def _join(self) -> IndexedTopic:
        settings, edges = self._settings, self._settings.edges
        self._epoch = 0  # a new member of the group: others have had the partitions
        most = Most(edges.batch_messages, _MOST_BYTES, edges.batch_seconds)
        name, group = Topics(settings).observations.name, f"{settings.worker.group}-edges"
        return IndexedTopic(settings, name, group, most)

    async def _index(self, topic: IndexedTopic, taken: Taken) -> None:
        if taken.epoch != self._epoch:
            self._write.forget()
            self._epoch = taken.epoch
        rolled_up = await self._run(lambda: roll_up(taken.messages, self._kept, time.time()))
        outcome = await self._written(topic, taken, self._write.write(rolled_up.added))
        if outcome is None:
            return
        committed = await self._run(lambda: topic.commit(taken))
        if committed:
            _count(taken, rolled_up, outcome)


def _count(taken: Taken, rolled_up: RolledUp, outcome: Outcome) -> None:
    for reason, messages in rolled_up.unreadable.items():
        metrics.EDGES_REJECTED.labels(reason).inc(messages)
        log.warning("observations cannot be rolled up", reason=reason, messages=messages)
    for reject in taken.unreadable:
        metrics.EDGES_REJECTED.labels(reject.stage).inc()
    for window, edges in rolled_up.aged_out.items():
        metrics.EDGES_AGED_OUT.labels(window).inc(edges)
    for place, reason in outcome.rejected.items():
        log.error("Elasticsearch refuses a document", index=place.index, id=place.id, reason=reason)
    metrics.EDGES_MESSAGES.inc(len(taken.messages) - rolled_up.unreadable.total())
    metrics.EDGES_DOCUMENTS.labels("written").inc(outcome.written)
    metrics.EDGES_DOCUMENTS.labels("stale").inc(len(outcome.stale))
    metrics.EDGES_DOCUMENTS.labels("rejected").inc(len(outcome.rejected))
