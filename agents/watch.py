"""Looks into Elasticsearch again and again, and tells what is so now and was not so before."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch

from agents.reach import ReachError
from agents.reach_elasticsearch import refusal
from agents.watch_file import keep, read_known
from pipeline import watch_query as query
from pipeline.changes import Change, Known, Pair, denies, rises
from pipeline.readiness_query import Answer, Request
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000

type Tell = Callable[[Change], Awaitable[None]]


class Watcher:
    """Tells each change once. What was so when it first looked is no change."""

    def __init__(self, settings: Settings, tell: Tell, file: Path | None) -> None:
        self._settings, self._cluster = settings, settings.cluster
        self._tell = tell
        self._file = file
        self._known = read_known(file, settings.cluster)
        self._since = 0  # what was rolled up of days before is known
        self._client = AsyncElasticsearch(**settings.elasticsearch.client_options())

    async def watch(self, every: float) -> None:
        """Look every few seconds, without end. Raises ReachError where Elasticsearch refuses us."""
        async with self._client:
            while True:
                try:
                    await self._look()
                except (ApiError, TransportError) as error:
                    elasticsearch = self._settings.elasticsearch
                    if problem := await asyncio.to_thread(refusal, elasticsearch, error):
                        raise ReachError(problem) from None
                    reason = f"{type(error).__name__}: {error.message}"
                    log.warning("Elasticsearch is waited for", reason=reason)
                await asyncio.sleep(every)

    async def _look(self) -> None:
        at = int(time.time() * 1000)
        pairs = [pair async for pair in self._pairs()]
        if self._known is None:
            self._known = Known(cluster=self._cluster)
            self._known.learn(self._known.new(pairs))
            keep(self._known, self._file)
            log.info("watching", cluster=self._cluster, edges_denied=len(pairs))
        await self._tell_denied(self._known, at, pairs)
        await self._tell_rises(self._known, at)
        # Flows come late, but not later than they are taken.
        self._since = at - (self._settings.flows.retention_days + 1) * _DAY_MS

    async def _tell_denied(self, known: Known, at: int, pairs: list[Pair]) -> None:
        for policy, edges in known.new(pairs).items():
            answer = await self._search(query.edges_request(self._cluster, policy, edges))
            await self._tell(denies(self._cluster, at, policy, len(edges), query.edges_of(answer)))
            known.learn({policy: edges})
            keep(known, self._file)

    async def _tell_rises(self, known: Known, at: int) -> None:
        request = query.shares_request(self._cluster, at - _HOUR_MS, at - _HOUR_MS - _DAY_MS)
        shares = query.shares_of(await self._search(request))
        before = set(known.risen)
        for kind in known.rises(shares, self._settings.watch.rise):
            await self._tell(rises(self._cluster, at, kind, shares[kind]))
            known.risen.add(kind)
        if known.risen != before:
            keep(known, self._file)

    async def _pairs(self) -> AsyncIterator[Pair]:
        after: Any = None
        while True:
            answer = await self._search(query.pairs_request(self._cluster, self._since, after))
            page, after = query.pairs_of(answer)
            for pair in page:
                yield pair
            if after is None:
                return

    async def _search(self, request: Request) -> Answer:
        answer: Answer = (await self._client.search(**request)).body
        return answer
