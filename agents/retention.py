"""Deletes what has aged out: indices of flows, edges, rules, rejects; policies of earlier revisions."""

import time
from typing import Any

import structlog
from elastic_transport import TransportError
from elasticsearch import ApiError
from mode import Service

from agents.elastic import Elastic
from agents.health import Health
from pipeline import metrics
from pipeline.index_policies import index_of, newest_request, outdated_request
from pipeline.kept import all_series
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 600.0
_DAY_MS = 86_400_000


class Retention(Service):
    """Whole indices, by the period in their names: what is no index of this cluster, or has a name that says
    no period, stays. Policies of earlier revisions are kept as long as what their rules matched. Any number
    of workers may do it at once."""

    def __init__(self, settings: Settings, health: Health, elastic: Elastic, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._health = health
        self._elastic = elastic
        self._series = all_series(settings)
        self._cluster = settings.cluster
        self._policies_ms = settings.edges.hour_days * _DAY_MS

    @Service.task
    async def _live(self) -> None:
        await self._elastic.ready.wait()
        while not self.should_stop:
            try:
                await self.delete(time.time())
                await self.delete_policies(time.time())
            except (ApiError, TransportError) as error:
                problem = f"what has aged out is not deleted: {type(error).__name__}: {error.message}"
                log.warning(problem)
                self._health.tell("retention", problem)
            else:
                self._health.tell("retention", None)
            await self.sleep(_EVERY_SECONDS)

    async def delete(self, now: float) -> None:
        """Delete the indices of which all has aged out at a time, epoch seconds."""
        indices = self._elastic.client.indices
        patterns = [f"{each.stem}.*" for each in self._series]
        there = await indices.get(index=patterns, expand_wildcards="all", filter_path="*.aliases")
        for index in there.body:
            if any(each.has_aged_out(index, now) for each in self._series):
                # Another worker may have been faster.
                await indices.delete(index=index, ignore_unavailable=True)
                log.info("an index has aged out and is deleted", index=index)
                metrics.INDICES_DELETED.inc()

    async def delete_policies(self, now: float) -> None:
        """Delete policies that have aged out at a time, epoch seconds, but those in force."""
        client = self._elastic.client
        answer = await client.search(**newest_request(self._cluster))
        for hit in answer.body["hits"]["hits"]:
            before = int(now * 1000) - self._policies_ms
            outdated = outdated_request(self._cluster, hit["_source"]["revision"], before)
            found = (await client.search(**outdated)).body["hits"]["hits"]
            # One by one: the minimal distribution deletes nothing by a query.
            deletes = [{"delete": {"_id": each["_id"]}} for each in found]
            if deletes:
                await client.bulk(index=index_of(self._cluster), operations=deletes)
                log.info("policies of earlier revisions have aged out", documents=len(deletes))
