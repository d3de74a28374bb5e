"""A topic ▸ documents in Elasticsearch: one batch after the other, written, then committed."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ClassVar

import structlog
from confluent_kafka import KafkaException
from mode import Service
from prometheus_client import Gauge

from agents import current_indices
from agents.elastic import Elastic
from agents.group_topic import Taken
from agents.health import Health
from agents.indexed_topic import IndexedTopic
from agents.wait_for_kafka import wait_for_kafka
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_PATIENCE = 1.0  # seconds without an answer until the group is told that we still live
_AGAIN_SECONDS = 5.0
_STOP_SECONDS = 15.0


class IndexTopic(Service):
    """Whatever happens in here, flows are judged; Health tells of it under `about`, and that it is `doing`
    it anew."""

    about: ClassVar[str]
    doing: ClassVar[str]
    lag: ClassVar[Gauge]

    def __init__(self, settings: Settings, health: Health, elastic: Elastic, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._elastic = elastic
        self._thread = ThreadPoolExecutor(1, self.doing)
        self._topic: IndexedTopic | None = None
        self._at_rest = asyncio.Event()  # no member of the group

    @abstractmethod
    def _join(self) -> IndexedTopic:
        """Join the group."""

    @abstractmethod
    async def _index(self, topic: IndexedTopic, taken: Taken) -> None:
        """Write what was taken, then commit it."""

    async def on_stop(self) -> None:
        # Whoever has left the group is replaced at once.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._at_rest.wait(), _STOP_SECONDS)
        self._thread.shutdown(wait=False)

    @Service.task
    async def _live(self) -> None:
        try:
            while not self.should_stop:
                try:
                    await self._live_once()
                except Exception as error:
                    log.exception("it begins anew", what=self.doing)
                    words = f"{self.doing} begins anew: {type(error).__name__}: {error}"
                    self._health.tell(self.about, words)
                    await self.sleep(_AGAIN_SECONDS)
        finally:
            self._at_rest.set()

    async def _live_once(self) -> None:
        await self._elastic.ready.wait()
        await current_indices.create(self._elastic.client, self._settings)
        topic = await wait_for_kafka(self._health, self._settings.kafka.bootstrap, self._join)
        self._topic = topic
        try:
            while not self.should_stop:
                if taken := await self._run(topic.take):
                    await self._index(topic, taken)
                self._health.tell(self.about, None)
        finally:
            self._topic = None
            await self._run(topic.close)

    async def _written[T](self, topic: IndexedTopic, taken: Taken, write: Awaitable[T]) -> T | None:
        """Once all is written; None where the partitions are not ours any more, or we are to stop."""
        writing = asyncio.ensure_future(write)
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
                self.lag.set(sum(lag.values()))

    async def _run[T](self, call: Callable[[], T]) -> T:
        """Run a call in the one thread that has the topic."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
