"""Puts a worker together and runs it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import faust
import structlog
from mode import Service

from agents import reach_elasticsearch, topics
from agents.annotate_flows import Annotator, Batch
from agents.app import App, make_app
from agents.elastic import Elastic
from agents.feed_flows import FeedFlows
from agents.follow_decisions import FollowDecisions
from agents.follow_policies import FollowPolicies
from agents.health import Health
from agents.index_policies import IndexPolicies
from agents.index_rejects import IndexRejects
from agents.reach import AwayError
from agents.recommend_policies import RecommendPolicies
from agents.retention import Retention
from agents.roll_up_edges import RollUpEdges
from agents.serve_health import ServeHealth
from agents.tell_readiness import TellReadiness
from agents.workers import ReportHealth
from pipeline.settings import Settings

log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT, then finish what is in hand and leave the group.

    Raises TopicError where the topics cannot be used, ReachError where a server refuses us, and
    whatever ended the worker.
    """
    _wait_for_topics(settings)
    asyncio.run(reach_elasticsearch.check(settings.elasticsearch))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = make_worker(settings)
    worker = faust.Worker(app, loop=loop, quiet=True, redirect_stdouts=False, override_logging=False)
    worker.execute_from_commandline()


def _wait_for_topics(settings: Settings) -> None:
    while True:
        try:
            topics.create(settings)
        except AwayError as error:  # it has been waited for some seconds already
            log.warning("a Kafka that is away is waited for", reason=str(error))
        else:
            return


def make_worker(settings: Settings) -> App:
    """The app with the agents and services of a worker."""
    app = make_app(settings)
    health = Health()
    judging = ThreadPoolExecutor(1, "judging")
    elastic = Elastic(settings, health)
    policies = FollowPolicies(settings, health, judging)
    annotator = Annotator(settings, policies, judging, elastic)
    batches = app.channel(maxsize=1)

    @app.agent(batches, name="annotate_flows")
    async def annotate_flows(stream: "faust.StreamT[Batch]") -> None:
        async for batch in stream:
            await annotator.annotate(batch)

    # They are stopped in the opposite order: first nothing more is taken, last nobody is told any more.
    services: list[Service] = [
        ServeHealth(settings, health),
        ReportHealth(settings, health),
        elastic,
        policies,
        *_recommending(settings, health, policies, elastic),
        *_rolling_up(settings, health, policies, elastic),
        IndexRejects(settings, health, elastic),
        Retention(settings, health, elastic),
        FeedFlows(settings, health, policies, batches),
    ]
    for service in services:
        app.service(service)  # type: ignore[arg-type]  # an instance will do, whatever the type says
    return app


def _recommending(
    settings: Settings, health: Health, policies: FollowPolicies, elastic: Elastic
) -> list[Service]:
    if not settings.recommend.enabled:
        return []
    decisions = FollowDecisions(settings, health)
    return [decisions, RecommendPolicies(settings, health, policies, decisions, elastic)]


def _rolling_up(
    settings: Settings, health: Health, policies: FollowPolicies, elastic: Elastic
) -> list[Service]:
    if not settings.edges.enabled:
        return []
    return [
        RollUpEdges(settings, health, elastic),
        IndexPolicies(settings, health, policies, elastic),
        TellReadiness(settings, health, policies, elastic),
    ]
