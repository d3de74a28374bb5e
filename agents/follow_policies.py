"""Follows topics `policies` and `facts` in full, and keeps the judge of the revision in force."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from confluent_kafka import Message
from mode import Service

from agents.health import Health
from agents.topics import Topics
from agents.whole_topic import WholeTopic, text
from pipeline import facts_records, metrics, revisions
from pipeline.facts import Facts
from pipeline.judge import Judge
from pipeline.policy.load import load_texts
from pipeline.policy.policies import Policies
from pipeline.policy.problems import ManifestError
from pipeline.policy.revision import to_policies
from pipeline.revisions import Revision, RevisionError, Shelf
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_WAIT = 0.5
_DAY = 86_400
_EXPIRE_SECONDS = 600.0


class FollowPolicies(Service):
    """Swaps whole revisions only: one that is torn or does not load is refused, and the old one stays.

    Everything that reads or changes what judges runs in the one thread `judging`, between batches.
    """

    judge: Judge

    def __init__(
        self, settings: Settings, health: Health, judging: ThreadPoolExecutor, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._judging = judging
        self._facts = Facts(settings.facts.retention_days * _DAY)
        self._facts_known = asyncio.Event()
        self.in_force = asyncio.Event()
        health.tell("policies", "waiting for a first whole revision: flowtier publish DIR")

    @Service.task
    async def _follow_policies(self) -> None:
        await self._facts_known.wait()
        shelf, seen = Shelf(), None
        name = Topics(self._settings).policies.name
        with await asyncio.to_thread(WholeTopic, self._settings, name) as topic:
            while not self.should_stop:
                for message in await asyncio.to_thread(topic.read, _WAIT):
                    shelf.put(text(message.key()), message.value())
                # Compaction may have taken parts of older revisions: only the newest has to be whole.
                if topic.at_end and shelf.newest and shelf.newest is not seen:
                    seen = shelf.newest
                    await self._take_over(*seen)

    @Service.task
    async def _follow_facts(self) -> None:
        loop = asyncio.get_running_loop()
        with await asyncio.to_thread(WholeTopic, self._settings, Topics(self._settings).facts.name) as topic:
            while not self.should_stop:
                messages = await asyncio.to_thread(topic.read, _WAIT)
                if messages:
                    await loop.run_in_executor(self._judging, self._learn, messages)
                if topic.at_end:
                    self._facts_known.set()

    @Service.timer(_EXPIRE_SECONDS)
    async def _forget_the_dead(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._judging, self._facts.expire, time.time())

    async def _take_over(self, record: bytes | None, resources: dict[str, bytes]) -> None:
        try:
            with metrics.REVISION_SECONDS.time():
                revision, policies = await asyncio.to_thread(_load, record, resources)
        except (RevisionError, ManifestError) as error:
            log.error("a revision is refused, the one before it stays", reason=str(error))  # noqa: TRY400
            self._health.tell("policies", f"the newest revision is refused: {error}")
            metrics.REVISION_REFUSED.set(1)
            return
        worker, changed_at = self._settings.worker, int(revision.published * 1000)
        self.judge = Judge(policies, self._facts, self._settings.cluster, changed_at, worker.max_cells)
        self._tell(revision)

    def _tell(self, revision: Revision) -> None:
        log.info("revision in force", revision=revision.revision, source=revision.source)
        metrics.REVISION.clear()
        metrics.REVISION.labels(revision.revision).set(1)
        metrics.REVISION_REFUSED.set(0)
        self._health.revision = revision.revision
        self._health.tell("policies", None)
        self.in_force.set()

    def _learn(self, messages: list[Message]) -> None:
        for message in messages:
            try:
                facts_records.follow(
                    self._facts, message.key(), message.value(), message.timestamp()[1] / 1000
                )
            except facts_records.FactError as error:
                metrics.FACTS_REFUSED.inc()
                log.warning("a fact is refused", reason=str(error))
        metrics.FACTS.inc(len(messages))


def _load(record: bytes | None, resources: dict[str, bytes]) -> tuple[Revision, Policies]:
    revision = revisions.decode(record)
    revisions.check_whole(revision, resources)
    loaded = load_texts(resources.items())
    loaded.require()
    return revision, to_policies(loaded)
