"""One life of the recommender's Faust app: it learns what flows teach, and knows how far it is."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from agents.learn_flows import Counted, Learning, Observed, learn_all, window_of
from agents.learned_table import add_table
from agents.recommend_app import make_app
from agents.topics import Topics
from agents.troubles import Troubles
from pipeline import metrics
from pipeline.recommend.learn import HOURS_A_DAY, Place
from pipeline.settings import Settings

_RETRY_SECONDS = 1.0
_TICK_SECONDS = 0.5


class StalledError(RuntimeError):
    """This process stood still for so long that others may have taken its partitions."""


class Recommender:
    """Learns from the partitions that the group gives it.

    Nobody may write a value of a partition that another worker holds by now: its counts would be lost. So a
    batch is written only in the generation of the group in which it was read, a rebalance waits for a write
    that has begun, and one who stood still for the session timeout writes nothing any more.
    """

    def __init__(self, settings: Settings, troubles: Troubles, folder: Path, topic_id: str) -> None:
        self._settings = settings
        self._troubles = troubles
        self._topic = Topics(settings).observations
        self._topic_id = topic_id
        self._learning = ThreadPoolExecutor(1, "learning")
        self._busy, self._writing = asyncio.Lock(), asyncio.Lock()
        self._counted = Counted()
        self._ticked = time.monotonic()
        self.changes = 0
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.app = make_app(settings, folder)
        self.table = add_table(self.app, settings)
        self.take(self._topic.name, settings.recommend.batch_seconds, self._learn)
        self.app.on_partitions_revoked.connect(self._wait_for_writes)

    def take(self, topic: str, within: float, work: Callable[[list[Any]], Any]) -> None:
        """Give the messages of a topic to `work`, in batches; what is done by then is not read again.

        Where that raises, this life ends: Faust would go on behind what was not done.
        """
        most = self._settings.recommend.batch_messages
        raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "allow_empty": True}
        channel = self.app.topic(topic, key_type=bytes, value_type=bytes, **raw)

        @self.app.agent(channel, name=topic)
        async def agent(stream: Any) -> None:
            async for events in stream.noack_take(most, within=within):
                try:
                    current = [each for each in events if self.is_current(each.message)]
                    if current and await work([each.message for each in current]):
                        for event in current:
                            await stream.ack(event)
                except Exception as error:  # noqa: BLE001
                    self.fail(error)
                    return

    def fail(self, error: Exception) -> None:
        """End this life; there will be another one."""
        if not self.failed.done():
            self.failed.set_exception(error)

    def is_current(self, message: Any) -> bool:
        """Whether the partition has been ours since the message was read; else it will be read again."""
        return not self.app.rebalancing and message.generation_id == self.app.consumer_generation_id

    @property
    def generation(self) -> int:
        """Of the group: another one whenever partitions change hands."""
        return int(self.app.consumer_generation_id)

    async def _learn(self, messages: list[Any]) -> bool:
        async with self._busy:
            learned = await self._fold(messages)
            written = await self._write(messages, {p: each.values for p, each in learned.items()})
        if written:
            for partition, learning in learned.items():
                self._counted.count(sum(each.partition == partition for each in messages), learning)
        return written

    async def _fold(self, messages: list[Any]) -> dict[int, Learning]:
        window = window_of(self._settings.recommend, time.time())
        by_partition: dict[int, list[Observed]] = {}
        for each in messages:
            by_partition.setdefault(each.partition, []).append(Observed(each.offset, each.value))
        run = asyncio.get_running_loop().run_in_executor
        found = {}
        for partition, observed in by_partition.items():
            name, read = f"{self._topic_id}/{partition}", partial(self.table.read, partition)
            found[partition] = await run(self._learning, learn_all, observed, name, read, window)
        return found

    async def _write(self, messages: list[Any], values: dict[int, dict[bytes, bytes | None]]) -> bool:
        """Write until the changelog has it all; False where the partitions are not ours any more."""
        async with self._writing:
            while all(map(self.is_current, messages)):
                self._check_awake()
                try:
                    for partition, of_partition in values.items():
                        await self.table.write(partition, of_partition)
                except KafkaError as error:
                    self._troubles.tell("learning", f"what is learned is written again: {error!r}")
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    self._troubles.tell("learning", None)
                    self.changes += 1
                    return True
        return False

    async def forget(self) -> None:
        """Delete what fell out of the lookback, of namespaces that are gone too."""
        first = window_of(self._settings.recommend, time.time()).first
        async with self._busy, self._writing:
            for partition in self.table.held():
                keys = [key for key, _ in self.table.values_of(partition)]
                old = [key for key in keys if (_day(key) + 1) * HOURS_A_DAY <= first]
                if old:
                    self._check_awake()
                    await self.table.write(partition, dict.fromkeys(old))
                    metrics.PLACES_AGED_OUT.inc(len(old))
                    self.changes += 1

    async def _wait_for_writes(self, *_: object, **__: object) -> None:
        async with self._writing:
            pass

    def _check_awake(self) -> None:
        worker = self._settings.worker
        if time.monotonic() - self._ticked > worker.session_timeout_seconds - 2 * worker.heartbeat_seconds:
            raise StalledError("this worker stood still for too long: others may hold its partitions")

    async def live(self) -> None:
        """Start, and go on until something fails: raises what did."""
        starting = asyncio.create_task(self.app.start())
        while not self.app.crashed:
            self._ticked = time.monotonic()
            await asyncio.sleep(_TICK_SECONDS)
            for each in (starting, self.failed):
                if each.done():
                    each.result()
        raise RuntimeError(f"Faust's app ended: {self.app.crash_reason!r}")

    async def stop(self) -> None:
        """Leave the group, so that others take over at once."""
        await self.app.stop()
        self._learning.shutdown(wait=False)


def _day(key: bytes) -> int:
    return Place.parse(key.decode()).day
