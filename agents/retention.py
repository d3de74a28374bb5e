"""Deletes the indices of which all has aged out: flows, edges of each window, what rules matched."""

import time
from typing import Any

import structlog
from elastic_transport import TransportError
from elasticsearch import ApiError
from mode import Service

from agents.elastic import Elastic
from agents.health import Health
from pipeline import metrics
from pipeline.kept import all_series
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 600.0


class Retention(Service):
    """Whole indices only, by the period in their names: what is no index of this cluster, or has a name that
    says no period, stays. Any number of workers may do it at once."""

    def __init__(self, settings: Settings, health: Health, elastic: Elastic, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._health = health
        self._elastic = elastic
        self._series = all_series(settings)

    @Service.task
    async def _live(self) -> None:
        await self._elastic.ready.wait()
        while not self.should_stop:
            try:
                await self.delete(time.time())
            except (ApiError, TransportError) as error:
                problem = (
                    f"indices that have aged out are not deleted: {type(error).__name__}: {error.message}"
                )
                log.warning(problem)
                self._health.tell("retention", problem)
            else:
                self._health.tell("retention", None)
            await self.sleep(_EVERY_SECONDS)

    async def delete(self, now: float) -> None:
        """Delete what has aged out at a time, epoch seconds."""
        indices = self._elastic.client.indices
        patterns = [f"{each.stem}.*" for each in self._series]
        there = await indices.get(index=patterns, expand_wildcards="all", filter_path="*.aliases")
        for index in there.body:
            if any(each.has_aged_out(index, now) for each in self._series):
                # Another worker may have been faster.
                await indices.delete(index=index, ignore_unavailable=True)
                log.info("an index has aged out and is deleted", index=index)
                metrics.INDICES_DELETED.inc()
