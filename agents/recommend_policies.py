"""Runs the recommender beside whatever judges: it learns, proposes, and begins anew after a trouble."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import structlog
from confluent_kafka.admin import AdminClient
from mode import Service

from agents.elastic import Elastic
from agents.follow_decisions import FollowDecisions
from agents.follow_policies import FollowPolicies
from agents.health import Health
from agents.index_recommendations import IndexRecommendations
from agents.kafka_log import LOG
from agents.own_folder import OwnFolder
from agents.propose_policies import ProposePolicies
from agents.recommend_progress import Progress
from agents.recommendations_topic import RecommendationsTopic
from agents.recommender import Recommender
from agents.topics import Topics, topic_id
from agents.troubles import Troubles
from agents.wait_for_kafka import wait_for_kafka
from pipeline import metrics
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.5
_FORGET_SECONDS = 600.0
_AGAIN_SECONDS = 5.0
_STOP_SECONDS = 15.0


class RecommendPolicies(Service):
    """Whatever happens in here, flows are judged; Health tells of it under `recommend`."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        policies: FollowPolicies,
        decisions: FollowDecisions,
        elastic: Elastic,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._policies = policies
        self._decisions = decisions
        self._troubles = Troubles(health)
        self._index = IndexRecommendations(settings, elastic, self._troubles)
        self._recommending = ThreadPoolExecutor(1, "recommending")
        self._propose = ProposePolicies(settings, policies, decisions, self._recommending)
        self._folder: OwnFolder | None = None
        self._at_rest = asyncio.Event()  # no app is running
        self._at_rest.set()

    async def on_stop(self) -> None:
        # Whoever has left the group is replaced at once.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._at_rest.wait(), _STOP_SECONDS)
        self._recommending.shutdown(wait=False)
        if self._folder:
            self._folder.close()

    @Service.task
    async def _live(self) -> None:
        """One life of the app after the other: what troubles Faust ends its app, and not the worker."""
        await self._policies.in_force.wait()
        await self._decisions.known.wait()
        while not self.should_stop:
            try:
                self._folder = self._folder or OwnFolder(_base(self._settings))
                await self._live_once(self._folder.path)
            except Exception as error:
                log.exception("the recommender begins anew")
                self._troubles.tell("app", f"the recommender begins anew: {_words(error)}")
                if self._folder:
                    self._folder.begin_anew()  # all that counts is in Kafka
                await self.sleep(_AGAIN_SECONDS)

    async def _live_once(self, folder: Path) -> None:
        topics, kafka = Topics(self._settings), self._settings.kafka
        admin = AdminClient(kafka.confluent(), logger=LOG)
        name = topics.observations.name
        known_as = await wait_for_kafka(self._health, kafka.bootstrap, lambda: topic_id(admin, name))
        recommender = Recommender(self._settings, self._troubles, folder, known_as)
        self._index.follow(recommender)
        work = [
            asyncio.create_task(each)
            for each in (recommender.live(), self._look(recommender), self._forget(recommender))
        ]
        self._at_rest.clear()
        try:
            stopped = asyncio.create_task(self._stopped.wait())
            done, _ = await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*work, stopped):
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            try:
                await asyncio.wait_for(recommender.stop(), _STOP_SECONDS)
            finally:
                self._at_rest.set()

    async def _look(self, recommender: Recommender) -> None:
        """See how far it is, and propose when it is time and all is learned that was there."""
        progress = Progress(recommender, Topics(self._settings).observations)
        run, settings = asyncio.get_running_loop().run_in_executor, self._settings
        opening = wait_for_kafka(
            self._health, settings.kafka.bootstrap, lambda: RecommendationsTopic(settings)
        )
        with await opening as topic:
            next_at = 0.0
            while True:
                known = await run(self._recommending, topic.read, _LOOK_SECONDS)
                await progress.look()
                if progress.lag is not None:
                    metrics.RECOMMEND_LAG.set(progress.lag)
                    self._troubles.tell("app", None)
                if known and progress.caught_up and self.loop.time() >= next_at:
                    next_at = self.loop.time() + settings.recommend.interval_seconds
                    await self._try_to_propose(recommender, topic)

    async def _try_to_propose(self, recommender: Recommender, topic: RecommendationsTopic) -> None:
        try:
            await self._propose.propose(recommender, topic)
        except Exception as error:
            # What it cannot propose from now may be something else next time; learning goes on.
            log.exception("nothing can be proposed")
            self._troubles.tell("proposing", f"nothing can be proposed: {_words(error)}")
        else:
            self._troubles.tell("proposing", None)

    async def _forget(self, recommender: Recommender) -> None:
        every = min(_FORGET_SECONDS, self._settings.recommend.interval_seconds)
        while True:
            await asyncio.sleep(every)
            await recommender.forget()


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _base(settings: Settings) -> Path:
    if settings.recommend.folder:
        return settings.recommend.folder
    name = f"flowtier-{settings.topics.prefix}{settings.worker.group}-recommend"
    return Path(gettempdir()) / name
