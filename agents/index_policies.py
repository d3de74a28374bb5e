"""The policies in force ▸ Elasticsearch, in their real order, with the workloads that they apply to."""

import asyncio
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import structlog
from mode import Service

from agents.elastic import Elastic
from agents.follow_policies import FollowPolicies
from agents.health import Health
from pipeline.applies_to import AppliesTo
from pipeline.edges import Place
from pipeline.index import Bulk
from pipeline.index_policies import Published, documents_of, index_of, newest_request
from pipeline.index_versions import Versioned, Versions
from pipeline.policy.policies import Policies
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_EVERY_SECONDS = 600.0  # pods come and go
_AGAIN_SECONDS = 5.0


class IndexPolicies(Service):
    """Written when a revision comes into force, and again from time to time; whatever happens in here, flows
    are judged. Of several workers' documents the newest stay."""

    def __init__(
        self, settings: Settings, health: Health, policies: FollowPolicies, elastic: Elastic, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._cluster = settings.cluster
        self._bulk = Bulk(settings.elasticsearch.bulk_documents, settings.elasticsearch.bulk_bytes)
        self._health = health
        self._policies = policies
        self._elastic = elastic
        self._listing = ThreadPoolExecutor(1, "listing policies")

    async def on_stop(self) -> None:
        self._listing.shutdown(wait=False)

    @Service.task
    async def _live(self) -> None:
        await self._policies.in_force.wait()
        written, next_at = None, 0.0
        while not self.should_stop:
            published = self._policies.published
            if published != written or self.loop.time() >= next_at:
                indexed = await self._try_to_index(published)
                written = published
                next_at = self.loop.time() + (_EVERY_SECONDS if indexed else _AGAIN_SECONDS)
            await self.sleep(_LOOK_SECONDS)

    async def _try_to_index(self, published: Published) -> bool:
        try:
            await self._index(published)
        except Exception as error:
            log.exception("policies are not indexed")
            self._health.tell("policies index", f"policies are not indexed: {type(error).__name__}: {error}")
            return False
        self._health.tell("policies index", None)
        return True

    async def _index(self, published: Published) -> None:
        policies, facts = await self._policies.copy()
        if policies.revision != published.revision.revision:  # the next one is in force by now
            return
        published = await self._first_published(published)
        run = asyncio.get_running_loop().run_in_executor
        documents = await run(self._listing, self._documents, policies, published, facts)
        outcome = await self._elastic.persist(
            lambda on_retry: Versions(self._elastic.client, self._bulk, on_retry).write(documents)
        )
        for place, reason in outcome.rejected.items():
            log.error("Elasticsearch refuses a policy", id=place.id, reason=reason)

    async def _first_published(self, published: Published) -> Published:
        """What is published again as it is has been in force since it was published first."""
        await self._elastic.ready.wait()
        answer = await self._elastic.client.search(**newest_request(self._cluster))
        revision, newest = published.revision, [hit["_source"] for hit in answer.body["hits"]["hits"]]
        if newest and newest[0]["revision"] == revision.revision:
            revision = msgspec.structs.replace(revision, published=newest[0]["@timestamp"] / 1000)
        return Published(revision, published.number)

    def _documents(self, policies: Policies, published: Published, facts: bytes) -> list[Versioned]:
        now = time.time()
        applies_to = AppliesTo(pickle.loads(facts), now)  # noqa: S301 - our own
        index, version = index_of(self._cluster), int(now * 1000)
        documents = documents_of(policies, published, applies_to, self._cluster)
        return [Versioned(Place(index, id_), version, msgspec.json.encode(each)) for id_, each in documents]
