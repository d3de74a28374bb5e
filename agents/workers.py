"""Topic `workers`: what each worker said of itself last."""

import asyncio
import socket
import time
import uuid
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import msgspec
from confluent_kafka import KafkaException, Producer
from mode import Service

from agents.health import Health
from agents.kafka_log import LOG
from agents.reach import ReachError
from agents.reach_kafka import list_topics
from agents.topics import Topics
from agents.whole_topic import WholeTopic
from pipeline.settings import Settings

_FORGET_SECONDS = 86_400.0  # workers that have been silent so long are not shown any more


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says of itself every few seconds; `at` in seconds since the epoch."""

    v: Literal[1] = 1
    worker: str
    host: str
    version: str
    at: float
    stopped: bool
    ready: bool
    revision: str | None
    partitions: tuple[int, ...]
    lag: int | None
    problems: dict[str, str]


class ReportHealth(Service):
    """Writes the worker's heartbeat; where Kafka is away, later ones take its place."""

    def __init__(self, settings: Settings, health: Health, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._every = settings.worker.status_seconds
        self._health = health
        self._topic = Topics(settings).workers.name
        self._worker = settings.worker.instance or uuid.uuid4().hex
        self._producer = Producer(settings.kafka.confluent() | {"message.timeout.ms": 5_000}, logger=LOG)

    @Service.task
    async def _report(self) -> None:
        while not self.should_stop:
            self._write(stopped=False)
            await self.sleep(self._every)

    async def on_stop(self) -> None:
        self._write(stopped=True)
        await asyncio.to_thread(self._producer.flush, 2.0)

    def _write(self, *, stopped: bool) -> None:
        health = self._health
        heartbeat = Heartbeat(
            worker=self._worker,
            host=socket.gethostname(),
            version=_version(),
            at=time.time(),
            stopped=stopped,
            ready=health.ready,
            revision=health.revision,
            partitions=health.partitions,
            lag=health.lag,
            problems=dict(health.problems),
        )
        self._producer.produce(self._topic, msgspec.json.encode(heartbeat), self._worker)
        self._producer.poll(0)


def read_workers(settings: Settings) -> list[Heartbeat]:
    """The last heartbeat of each worker of the last day, by host. Raises ReachError where Kafka is away."""
    last: dict[str, Heartbeat] = {}
    name = Topics(settings).workers.name
    if name not in list_topics(settings.kafka):
        return []
    try:
        with WholeTopic(settings, name) as topic:
            for message in topic.read_to_end():
                heartbeat = msgspec.json.decode(message.value() or b"", type=Heartbeat)
                last[heartbeat.worker] = heartbeat
    except KafkaException as error:
        reason = error.args[0].str()
        raise ReachError(f"Kafka at {settings.kafka.bootstrap}, topic {name}: {reason}") from None
    recent = (each for each in last.values() if each.at > time.time() - _FORGET_SECONDS)
    return sorted(recent, key=lambda each: (each.host, each.at))


def _version() -> str:
    try:
        return version("flowtier")
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "source"
