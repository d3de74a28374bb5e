"""Follows topics `policies` and `facts` in full, and keeps the judge of the revision in force."""

import asyncio
import gc
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from confluent_kafka import Message
from mode import Service

from agents.compile_policies import Compiler, CompilerDiedError
from agents.health import Health
from agents.take_turns import Turns
from agents.topics import Topic, Topics
from agents.wait_for_kafka import wait_for_kafka
from agents.whole_topic import WholeTopic, text
from pipeline import facts_records, metrics
from pipeline.facts import Facts
from pipeline.index_policies import Published
from pipeline.judge import Judge
from pipeline.policy.policies import Policies
from pipeline.policy.problems import ManifestError
from pipeline.revisions import KEY, Revision, RevisionError, Shelf
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_WAIT = 0.5
_RETRY_SECONDS = 1.0
_DAY = 86_400
_EXPIRE_SECONDS = 600.0


class FollowPolicies(Service):
    """Swaps whole revisions only: one that is torn or does not load is refused, and the old one stays.

    Everything that reads or changes what judges runs in the one thread `judging`, between batches.
    """

    judge: Judge
    published: Published  # the revision in force

    def __init__(
        self, settings: Settings, health: Health, judging: ThreadPoolExecutor, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._judging = judging
        self._facts = Facts(settings.facts.retention_days * _DAY)
        self._facts_known = asyncio.Event()
        self._compiler = Compiler(settings.logs)
        self._newest: tuple[bytes | None, dict[str, bytes]] | None = None
        self._number = 0  # where its record stands
        self._news = asyncio.Event()
        self.in_force = asyncio.Event()
        self.changes = 0  # of policies and facts
        health.tell("policies", "waiting for a first whole revision: flowtier publish DIR")

    async def on_stop(self) -> None:
        self._compiler.stop()

    @Service.task
    async def _follow_policies(self) -> None:
        shelf, number = Shelf(), 0
        with await self._open(Topics(self._settings).policies) as topic:
            while not self.should_stop:
                for message in await asyncio.to_thread(topic.read, _WAIT):
                    shelf.put(text(message.key()), message.value())
                    if text(message.key()) == KEY:
                        number = message.offset() or 0
                # Compaction may have taken parts of older revisions: only the newest has to be whole.
                if topic.at_end and shelf.newest is not self._newest:
                    self._newest, self._number = shelf.newest, number
                    self._news.set()

    @Service.task
    async def _take_over_the_newest(self) -> None:
        """One after the other; those that were published while one was compiled are passed over."""
        await self._facts_known.wait()
        while await self._news.wait():
            self._news.clear()
            assert self._newest
            await self._take_over(*self._newest)

    @Service.task
    async def _follow_facts(self) -> None:
        loop = asyncio.get_running_loop()
        with await self._open(Topics(self._settings).facts) as topic:
            while not self.should_stop:
                messages = await asyncio.to_thread(topic.read, _WAIT)
                if messages:
                    await loop.run_in_executor(self._judging, self._learn, messages)
                    self.changes += 1
                if topic.at_end:
                    self._facts_known.set()

    async def copy(self) -> tuple[Policies, bytes]:
        """The policies in force, which never change, and the facts, pickled.

        Facts change, and only between batches: so they are copied there, in the thread that judges, as
        fast as there is a way to. Who wants them unpacks them in a thread of its own, and holds no batch up.
        """
        return await asyncio.get_running_loop().run_in_executor(self._judging, self._copy)

    async def ask[T](self, question: Callable[[Policies, Facts], T]) -> T:
        """The answer of the policies in force and the facts to a short question, between batches."""
        return await asyncio.get_running_loop().run_in_executor(self._judging, lambda: self._ask(question))

    def _ask[T](self, question: Callable[[Policies, Facts], T]) -> T:
        return question(self.judge.policies, self._facts)

    def _copy(self) -> tuple[Policies, bytes]:
        return self.judge.policies, pickle.dumps(self._facts, pickle.HIGHEST_PROTOCOL)

    async def _open(self, topic: Topic) -> WholeTopic:
        bootstrap = self._settings.kafka.bootstrap
        return await wait_for_kafka(self._health, bootstrap, lambda: WholeTopic(self._settings, topic.name))

    @Service.timer(_EXPIRE_SECONDS)
    async def _forget_the_dead(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._judging, self._facts.expire, time.time())

    async def _take_over(self, record: bytes | None, resources: dict[str, bytes]) -> None:
        number = self._number
        try:
            with metrics.REVISION_SECONDS.time():
                revision, difference = await asyncio.to_thread(self._compiler.ask, record, resources)
                await self._in_turns(self._compiler.take(difference))
                judge = self._judge(revision, self._compiler.policies)
                if not self.in_force.is_set():
                    _spare()
                await self._in_turns(judge.get_ready(self.judge if self.in_force.is_set() else None))
        except (RevisionError, ManifestError) as error:
            log.error("a revision is refused, the one before it stays", reason=str(error))  # noqa: TRY400
            self._health.tell("policies", f"the newest revision is refused: {error}")
            metrics.REVISION_REFUSED.set(1)
        except CompilerDiedError as error:
            log.warning(str(error))
            metrics.COMPILER_DIED.inc()
            self._health.tell("policies", str(error))
            await self.sleep(_RETRY_SECONDS)
            self._news.set()
        else:
            self.judge = judge
            self.published = Published(revision, number)
            self.changes += 1
            self._tell(revision)

    def _judge(self, revision: Revision, policies: Policies) -> Judge:
        worker, changed_at = self._settings.worker, int(revision.published * 1000)
        return Judge(policies, self._facts, self._settings.cluster, changed_at, worker.max_cells)

    async def _in_turns(self, pieces: Iterator[None]) -> None:
        """Do some work between batches."""
        turns, loop, done = Turns(pieces), asyncio.get_running_loop(), False
        while not done:
            done = await loop.run_in_executor(self._judging, turns.next, time.perf_counter())

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


def _spare() -> None:
    """Spare the garbage collector what came with the start, the facts and policies above all: it would look
    at a million objects again and again, while batches wait. They end by their reference counts all the
    same; what makes cycles, as judges do, is made after this."""
    gc.collect()
    gc.freeze()
