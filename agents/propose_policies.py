"""What was learned ▸ recommendations ▸ topic policy-recommendations, as often as the settings say."""

import asyncio
import pickle
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from agents.follow_decisions import FollowDecisions
from agents.follow_policies import FollowPolicies
from agents.learned_table import LearnedTable
from agents.recommendations_topic import RecommendationsTopic
from agents.recommender import Recommender
from pipeline import metrics
from pipeline.policy.policies import Policies
from pipeline.recommend import learned
from pipeline.recommend.learn import Place
from pipeline.recommend.learned import Learned
from pipeline.recommend.recommend import recommend
from pipeline.recommend.recommendation import Decision, Options, Recommendation
from pipeline.settings import Settings

_HOUR = 3600.0

# The values of the table, by partition.
type Values = Mapping[int, list[tuple[bytes, bytes]]]


class ProposePolicies:
    """Proposes for the namespaces of this worker's partitions, in the one thread `recommending`.

    That thread shares nothing with the one that judges: it is told the facts as a copy.
    """

    def __init__(
        self,
        settings: Settings,
        policies: FollowPolicies,
        decisions: FollowDecisions,
        recommending: ThreadPoolExecutor,
    ) -> None:
        self._options = settings.recommend.options
        self._policies = policies
        self._decisions = decisions
        self._recommending = recommending
        self._last: object = None

    async def propose(self, recommender: Recommender, topic: RecommendationsTopic) -> None:
        """Propose and publish, where anything has changed since it was done last.

        An hour that has passed is a change: what is silent for long becomes Stale. Raises PublishError.
        """
        partitions, generation = recommender.table.held(), recommender.generation
        hour = time.time() // _HOUR
        changes = self._policies.changes, self._decisions.changes, recommender.changes
        now = (id(recommender), generation, hour, *changes)
        if not partitions or now == self._last:
            return
        policies, facts = await self._policies.copy()
        decisions = dict(self._decisions.decisions)
        run = asyncio.get_running_loop().run_in_executor
        table = recommender.table
        found = await run(self._recommending, self._propose, table, partitions, policies, facts, decisions)
        if recommender.generation == generation and recommender.table.held() == partitions:
            await run(self._recommending, topic.publish, found, partitions)
            metrics.RECOMMENDATIONS.set(len(found))
            self._last = now

    def _propose(
        self,
        table: LearnedTable,
        partitions: set[int],
        policies: Policies,
        facts: bytes,
        decisions: dict[str, Decision],
    ) -> list[Recommendation]:
        with metrics.PROPOSE_SECONDS.time():
            values = {each: list(table.values_of(each)) for each in partitions}
            return propose(values, policies, facts, self._options, decisions)


def propose(
    values: Values, policies: Policies, facts: bytes, options: Options, decisions: dict[str, Decision]
) -> list[Recommendation]:
    """What is recommended by the table's values; `facts` are pickled."""
    known = by_namespace(values)
    metrics.LEARNED_PLACES.set(sum(map(len, values.values())))
    metrics.LEARNED_EDGES.set(sum(len(each.edges) for each in known.values()))
    metrics.LEARNED_BYTES.set(sum(len(value) for each in values.values() for _, value in each))
    now = int(time.time() * 1000)
    return recommend(known, policies, pickle.loads(facts), options, decisions, now)  # noqa: S301 - our own


def by_namespace(values: Values) -> dict[str, Learned]:
    """All that is known of each namespace."""
    parts: dict[str, list[Learned]] = {}
    for of_partition in values.values():
        for key, value in of_partition:
            parts.setdefault(Place.parse(key.decode()).namespace, []).append(learned.decode(value))
    return {namespace: learned.together(found) for namespace, found in parts.items()}
