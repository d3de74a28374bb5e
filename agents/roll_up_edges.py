"""Topic flow-observations ▸ Elasticsearch: edges by window, and what rules matched, for the dashboards."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog
from confluent_kafka import KafkaException
from mode import Service

from agents import current_indices
from agents.elastic import Elastic
from agents.group_topic import Taken
from agents.health import Health
from agents.observations_topic import ObservationsTopic
from agents.wait_for_kafka import wait_for_kafka
from agents.write_edges import WriteEdges
from pipeline import metrics
from pipeline.edges import RolledUp, roll_up
from pipeline.index_versions import Outcome
from pipeline.kept import Kept
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_PATIENCE = 1.0  # seconds without an answer until the group is told that we still live
_AGAIN_SECONDS = 5.0
_STOP_SECONDS = 15.0


class RollUpEdges(Service):
    """One batch after the other: folded in a thread, written, then committed. Whatever happens in here, flows
    are judged; Health tells of it under `edges`."""

    def __init__(self, settings: Settings, health: Health, elastic: Elastic, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._kept = Kept(settings.cluster, settings.edges)
        self._elastic = elastic
        self._write = WriteEdges(settings.elasticsearch, elastic)
        self._rolling = ThreadPoolExecutor(1, "rolling up")
        self._epoch = 0
        self._topic: ObservationsTopic | None = None
        self._at_rest = asyncio.Event()  # no member of the group

    async def on_stop(self) -> None:
        # Whoever has left the group is replaced at once.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._at_rest.wait(), _STOP_SECONDS)
        self._rolling.shutdown(wait=False)

    @Service.task
    async def _live(self) -> None:
        try:
            while not self.should_stop:
                try:
                    await self._live_once()
                except Exception as error:
                    log.exception("rolling up begins anew")
                    words = f"rolling up begins anew: {type(error).__name__}: {error}"
                    self._health.tell("edges", words)
                    await self.sleep(_AGAIN_SECONDS)
        finally:
            self._at_rest.set()

    async def _live_once(self) -> None:
        await self._elastic.ready.wait()
        await current_indices.create(self._elastic.client, self._settings)
        bootstrap = self._settings.kafka.bootstrap
        topic = await wait_for_kafka(self._health, bootstrap, lambda: ObservationsTopic(self._settings))
        self._topic, self._epoch = topic, 0  # a new member of the group: others have had the partitions
        try:
            while not self.should_stop:
                if taken := await self._run(topic.take):
                    await self._roll_up(topic, taken)
                self._health.tell("edges", None)
        finally:
            self._topic = None
            await self._run(topic.close)

    async def _roll_up(self, topic: ObservationsTopic, taken: Taken) -> None:
        if taken.epoch != self._epoch:
            self._write.forget()
            self._epoch = taken.epoch
        rolled_up = await self._run(lambda: roll_up(taken.messages, self._kept, time.time()))
        outcome = await self._written(topic, taken, rolled_up)
        if outcome is None:
            return
        committed = await self._run(lambda: topic.commit(taken))
        if committed:
            _count(taken, rolled_up, outcome)

    async def _written(self, topic: ObservationsTopic, taken: Taken, rolled_up: RolledUp) -> Outcome | None:
        """Once all is written; None where the partitions are not ours any more, or we are to stop."""
        writing = asyncio.create_task(self._write.write(rolled_up.added))
        try:
            while not (await asyncio.wait({writing}, timeout=_PATIENCE))[0]:
                await self._run(topic.idle)
                if self.should_stop or not topic.is_current(taken):
                    return None
            return writing.result()
        finally:
            writing.cancel()

    @Service.timer(5.0)
    async def _tell_lag(self) -> None:
        with suppress(KafkaException, RuntimeError):  # away, or closed meanwhile: told by others
            if self._topic:
                lag = await asyncio.to_thread(self._topic.lag)
                metrics.EDGES_LAG.set(sum(lag.values()))

    async def _run[T](self, call: Callable[[], T]) -> T:
        """Run a call in the one thread that has the topic."""
        return await asyncio.get_running_loop().run_in_executor(self._rolling, call)


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
