"""Feeds the agent with batches of the flows topic, and commits them in order once it has answered."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from confluent_kafka import KafkaException
from faust.types import ChannelT
from mode import Service

from agents import reach_kafka
from agents.annotate_flows import Annotated, Batch
from agents.flows_topic import FlowsTopic
from agents.follow_policies import FollowPolicies
from agents.group_topic import Taken
from agents.health import Health
from agents.refusals import Refusals
from agents.topics import Topics
from agents.wait_for_kafka import wait_for_kafka
from pipeline import metrics
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_PATIENCE = 1.0  # seconds without room for a batch until the group is told that we still live
_STOPPING = 10.0  # seconds that what is in hand has got once the worker is to stop


class FeedFlows(Service):
    """At most `batches_in_flight` batches are in memory; while they wait for Elasticsearch nothing more
    is read, but the worker stays a member of its group."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        policies: FollowPolicies,
        batches: ChannelT[Batch],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._policies = policies
        self._batches = batches
        self._refusals = Refusals()
        self._topic: FlowsTopic | None = None
        self._reading = ThreadPoolExecutor(1, "reading")
        self._room = asyncio.Semaphore(settings.worker.batches_in_flight)
        self._in_flight: asyncio.Queue[Batch] = asyncio.Queue()

    async def on_start(self) -> None:
        # Agents wait until Faust's own consumer has partitions; there is none.
        self._batches.app.flow_control.resume()

    async def on_stop(self) -> None:
        """Finish what is in hand, then leave the group, so that others take over at once."""
        try:
            await asyncio.wait_for(self._in_flight.join(), 0 if self.crashed else _STOPPING)
        except TimeoutError:
            log.warning("stopped with batches in hand: they will be read again")
        if self._topic:
            await self._read(self._topic.close)
        self._reading.shutdown(wait=False)

    @Service.task
    async def _take(self) -> None:
        await self._policies.in_force.wait()
        bootstrap = self._settings.kafka.bootstrap
        topic = await wait_for_kafka(self._health, bootstrap, lambda: FlowsTopic(self._settings))
        self._topic = topic
        while not self.should_stop:
            if taken := await self._read(topic.take):
                await self._make_room(topic)
                # Whoever stops waits for what is in flight by then, and leaves the group.
                if not self.should_stop:
                    await self._hand_over(taken)

    @Service.task
    async def _commit(self) -> None:
        while True:
            batch = await self._in_flight.get()
            annotated = await batch.annotated
            assert self._topic
            with metrics.BATCH_SECONDS.labels("commit").time():
                committed = await asyncio.to_thread(self._topic.commit, batch.taken, annotated.records)
            if committed:
                self._count(batch.taken, annotated)
            metrics.BATCHES.dec()
            self._room.release()
            self._in_flight.task_done()

    @Service.timer(1.0)
    async def _tell_lag(self) -> None:
        if self._topic is None:
            return
        lag = await asyncio.to_thread(self._ask_lag, self._topic)
        metrics.LAG.clear()
        for partition, messages in (lag or {}).items():
            metrics.LAG.labels(partition).set(messages)
        self._health.partitions = tuple(self._topic.assigned)
        self._health.lag = None if lag is None else sum(lag.values())

    def _ask_lag(self, topic: FlowsTopic) -> Mapping[int, int] | None:
        try:
            lag = topic.lag()
        except KafkaException as error:
            where = f"Kafka at {self._settings.kafka.bootstrap}, topic {Topics(self._settings).flows.name}"
            problem = f"{where}, does not say how far it is read; flows wait until it does"
            why = reach_kafka.trouble(self._settings.kafka) or error.args[0].str()
            self._health.tell("kafka", f"{problem}: {why}")
            return None
        except RuntimeError:  # closed meanwhile
            return None
        self._health.tell("kafka", None)
        return lag

    async def _make_room(self, topic: FlowsTopic) -> None:
        while True:
            try:
                await asyncio.wait_for(self._room.acquire(), _PATIENCE)
            except TimeoutError:
                await self._read(topic.idle)
            else:
                return

    async def _hand_over(self, taken: Taken) -> None:
        batch = Batch(taken)
        metrics.BATCHES.inc()
        self._in_flight.put_nowait(batch)
        await self._batches.send(value=batch)

    def _count(self, taken: Taken, annotated: Annotated) -> None:
        metrics.MESSAGES.inc(len(taken.messages))
        annotated.count()
        assert self._topic
        for partition in self._refusals.add(taken.messages, annotated.refused):
            self._topic.pause(partition)
            metrics.PAUSED.labels(partition).set(1)
            sentence = f"partition {partition} is paused: nearly all its messages are rejects; see topic"
            sentence += " flows-rejected, mend the sender, then restart the worker"
            self._health.tell(f"partition {partition}", sentence)
            log.error(sentence)

    async def _read[**P, T](self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call in the one thread that reads the topic."""
        assert not kwargs
        return await asyncio.get_running_loop().run_in_executor(self._reading, call, *args)
