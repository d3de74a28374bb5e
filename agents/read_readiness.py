"""What Elasticsearch knows of staged policies: since when they are as they are, and what was seen since."""

import time
from collections import defaultdict
from typing import Any

from elasticsearch import AsyncElasticsearch

from pipeline import readiness_query as query
from pipeline.impact import Traffic
from pipeline.policy.policies import Policies
from pipeline.readiness import Figures
from pipeline.settings import Settings
from pipeline.staged_policies import IndexedRevision, PolicyDocument, Staged

_DAY_MS = 86_400_000


class ReadReadiness:
    """Reads through one client; what earlier revisions said is kept in memory, equal policies once."""

    def __init__(self, settings: Settings, client: AsyncElasticsearch) -> None:
        self._cluster, self._days = settings.cluster, settings.edges.hour_days
        self._client = client
        self._known: dict[tuple[str, int], IndexedRevision] = {}

    async def revisions(self, policies: Policies) -> list[IndexedRevision] | None:
        """That of `policies` and those before it, as long as flows of them are kept; None as long as it is
        not indexed in whole."""
        answer = await self._client.search(**query.revisions_request(self._cluster))
        listed = list(query.revisions_of(answer.body))
        while listed and listed[0][0] != policies.revision:
            listed.pop(0)  # newer than what this worker judges by
        newest = await self._read(policies.revision, listed[0][1] if listed else 0, {})
        if newest.policies.keys() != {str(policy.key) for policy in policies.policies}:
            return None
        return [newest, *await self._older(newest, listed[1:])]

    async def _older(self, newest: IndexedRevision, listed: list[tuple[str, int]]) -> list[IndexedRevision]:
        found, oldest = [newest], time.time() * 1000 - self._days * _DAY_MS
        for revision, since in listed:
            if found[-1].since <= oldest:
                break
            known = self._known.get((revision, since))
            found.append(known or await self._read(revision, since, found[-1].policies))
        self._known = {(each.revision, each.since): each for each in found[1:]}
        return found[1:]

    async def _read(self, revision: str, since: int, like: query.Policies) -> IndexedRevision:
        policies: dict[str, PolicyDocument] = {}
        after = [-1]
        while after:
            request = query.policies_request(self._cluster, revision, after)
            page, after = query.policies_of((await self._client.search(**request)).body)
            policies |= {each["policy"]: _shared(each, like.get(each["policy"])) for each in page}
        return IndexedRevision(revision, since, policies)

    async def figures(self, staged: Staged, at: int) -> Figures:
        seen = await self._client.search(**query.seen_request(self._cluster, staged))
        cut, opened = [await self._effect(staged, effect) for effect in ("staged_deny", "staged_allow")]
        return query.figures_of(staged, seen.body, cut, opened, at)

    async def _effect(self, staged: Staged, effect: str) -> query.Edges:
        edges: query.Edges = defaultdict(Traffic)
        after: Any = None
        while True:
            request = query.effect_request(self._cluster, staged, effect, after)
            after = query.add_effect((await self._client.search(**request)).body, edges)
            if after is None:
                return edges

    async def denied_edges(self, policies: list[str]) -> dict[str, int]:
        """How many distinct edges each of these policies alone ever denied."""
        answer = await self._client.search(**query.denied_request(self._cluster, policies))
        return dict.fromkeys(policies, 0) | query.denied_of(answer.body)


def _shared(document: PolicyDocument, like: PolicyDocument | None) -> PolicyDocument:
    return like if like is not None and like == document else document
