"""The second Faust app of a worker: it learns from a topic through Faust, into a table of Faust's."""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from math import inf
from pathlib import Path
from typing import Any, cast

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, TransportT

from agents.topics import Topics
from pipeline.sections import Kafka
from pipeline.settings import Settings

# Faust and aiokafka tell of each step that they take; of troubles they tell as warnings.
_LOG = logging.getLogger("faust.recommend")
_CHATTY = ("faust", "aiokafka")


class _ReadingCommitted(AIOKafkaConsumerThread):
    """Faust reads committed records only with its own transactions, which we have not: of an aborted
    transaction of a worker everything would be learned. This is the one place where its consumer is made."""

    logger = _LOG

    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - read when it starts
        return consumer


class _Consumer(Consumer):
    """Gives each partition's records in their order, from the committed offset on, and passes over none.

    Faust does not: when partitions have changed hands it seeks, and then clears its queues, while records
    are fetched all the time. So what it fetches is kept from the agents until it has come to rest and
    `begin` has sought once more; and nothing is fetched while somebody seeks.
    """

    logger = _LOG

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fetching = asyncio.Lock()
        self._seeks = self._fetched_after = 0  # how often somebody has sought
        self._begun_after: float = inf

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ReadingCommitted(self, loop=self.loop, beacon=self.beacon)

    async def begin(self) -> None:
        """From now on agents get records."""
        await self.perform_seek()
        self._begun_after = self._seeks
        if self.app.rebalancing:  # Faust's other thread has just begun one
            self.pause()

    def pause(self) -> None:
        """Until `begin`, agents get none."""
        self._begun_after = inf

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109 - Faust's
        async for tp, message in super().getmany(timeout):
            if self._fetched_after >= self._begun_after or self._is_changelog_tp(tp):
                yield tp, message

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        async with self._fetching:
            self._fetched_after = self._seeks
            return await super()._getmany(active_partitions, timeout)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        async with self._fetching:
            committed = await super().seek_to_committed()
            self._seeks += 1
            return committed


class _Transport(Transport):
    Consumer = _Consumer


class RecommendApp(faust.App):
    """An app that reads committed records."""

    logger = _LOG

    def _new_transport(self) -> TransportT:
        return _Transport(self.conf.broker_consumer, self)

    def on_rebalance_start(self) -> None:
        super().on_rebalance_start()
        cast("_Consumer", self.consumer).pause()

    def on_rebalance_end(self) -> None:
        super().on_rebalance_end()
        self.add_future(self._begin(self.consumer_generation_id))

    async def _begin(self, generation: int) -> None:
        """Have the agents get records, once Faust is done with its tables and queues."""
        if not self.rebalancing and generation == self.consumer_generation_id:
            await cast("_Consumer", self.consumer).begin()


def make_app(settings: Settings, folder: Path) -> RecommendApp:
    """An app that is not started; its own settings come from here alone.

    It is not the worker's own app: Faust stops all agents of an app in a rebalance and while tables are
    recovered, and flows have to be judged meanwhile.
    """
    if settings.logs.level != "debug":
        for name in _CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
    worker, topics = settings.worker, Topics(settings)
    instance: dict[str, Any] = {"consumer_group_instance_id": worker.instance} if worker.instance else {}
    return RecommendApp(
        f"{settings.topics.prefix}{worker.group}-recommend",
        broker=[f"kafka://{address}" for address in settings.kafka.bootstrap.split(",")],
        broker_credentials=_credentials(settings.kafka),
        broker_session_timeout=worker.session_timeout_seconds,
        broker_heartbeat_interval=worker.heartbeat_seconds,
        broker_request_timeout=max(40.0, worker.session_timeout_seconds + 10),  # Faust wants it longer
        env_prefix="FLOWTIER_FAUST_",  # else BROKER_URL and others in the environment win
        web_enabled=False,
        # Names a member among those on one machine: nobody answers there.
        canonical_url=f"http://{socket.gethostname()}:{os.getpid() % 60_000 + 1}",
        datadir=folder,
        store="rocksdb://",
        stream_wait_empty=False,  # what is in hand when partitions change hands is read again
        stream_buffer_maxsize=settings.recommend.batch_messages,  # waits beside the batch that is learned
        topic_partitions=topics.observations.partitions,
        topic_allow_declare=False,  # `topics.create` made them all, with the same counts
        topic_disable_leader=True,
        producer_compression_type="lz4",
        **instance,
    )


def _credentials(kafka: Kafka) -> Any:
    context = kafka.ssl_context()
    if kafka.uses_sasl and kafka.sasl_password:
        return faust.SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context else None
