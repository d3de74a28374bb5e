"""Follows topic recommendation-decisions in full: what people accepted and ignored."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import structlog
from confluent_kafka import Message
from mode import Service

from agents.health import Health
from agents.topics import Topics
from agents.wait_for_kafka import wait_for_kafka
from agents.whole_topic import WholeTopic, text
from pipeline import metrics
from pipeline.recommend.recommendation import VERSION, Decision
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_WAIT = 0.5


class FollowDecisions(Service):
    """`decisions` by the name of the recommendation, whole once `known` is set; `changes` counts records."""

    def __init__(self, settings: Settings, health: Health, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._reading = ThreadPoolExecutor(1, "decisions")
        self.decisions: dict[str, Decision] = {}
        self.known = asyncio.Event()
        self.changes = 0

    async def on_stop(self) -> None:
        self._reading.shutdown(wait=False)

    @Service.task
    async def _follow(self) -> None:
        run = asyncio.get_running_loop().run_in_executor
        name, bootstrap = Topics(self._settings).decisions.name, self._settings.kafka.bootstrap
        with await wait_for_kafka(self._health, bootstrap, lambda: WholeTopic(self._settings, name)) as topic:
            while not self.should_stop:
                for message in await run(self._reading, topic.read, _WAIT):
                    self._take(message)
                if topic.at_end:
                    self.known.set()

    def _take(self, message: Message) -> None:
        name, value = text(message.key()), message.value()
        self.changes += 1
        if value is None:
            self.decisions.pop(name, None)
            return
        try:
            self.decisions[name] = _decode(name, value)
        except ValueError as error:  # what was decided before it stays
            metrics.DECISIONS_REFUSED.inc()
            log.warning("a decision is refused", name=name, reason=str(error))


def _decode(name: str, value: bytes) -> Decision:
    decision = msgspec.json.decode(value, type=Decision)
    if decision.v != VERSION:
        raise ValueError(f"version {decision.v}; this program reads version {VERSION}")
    if decision.name != name:
        raise ValueError(f"it is about {decision.name}")
    return decision
