"""The worker's way to Elasticsearch: the index templates first, then documents, for as long as that takes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch
from mode import Service

from agents.health import Health
from agents.reach_elasticsearch import refusal
from pipeline import metrics
from pipeline.annotate import Document
from pipeline.index import Bulk, OnRetry, Written, put_templates, write
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 2.0


class Elastic(Service):
    """A server that is away, busy or full is waited for, and Health tells so as long as that lasts."""

    def __init__(self, settings: Settings, health: Health, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings.elasticsearch
        self._health = health
        self._where = f"Elasticsearch at {', '.join(self._settings.urls)}"
        self.client = AsyncElasticsearch(**self._settings.client_options())
        self.ready = asyncio.Event()  # the templates are there
        self._held_up: set[object] = set()  # what is being written and was not taken at once

    async def write(self, documents: Sequence[Document], bulk: Bulk) -> Written:
        """Write until every document is written or rejected."""
        return await self.persist(lambda on_retry: write(self.client, documents, bulk, on_retry))

    async def persist[T](self, work: Callable[[OnRetry], Awaitable[T]]) -> T:
        """What comes of work that waits for the server itself, and tells when it does."""
        await self.ready.wait()
        this = object()

        def tell(why: str, count: int, words: str) -> None:
            metrics.ELASTICSEARCH_RETRIES.labels(why).inc(count)
            problem = f"{self._where} does not take documents; they are sent again until it does: {words}"
            if not self._held_up:
                log.warning(problem)
            self._held_up.add(this)
            self._health.tell("elasticsearch", problem)

        try:
            return await work(tell)
        finally:
            if this in self._held_up:
                self._held_up.remove(this)
                if not self._held_up:
                    log.info("Elasticsearch takes documents again")
                    self._health.tell("elasticsearch", None)

    @Service.task
    async def _prepare(self) -> None:
        while not self.should_stop:
            try:
                await put_templates(self.client, self._settings.shards, self._settings.replicas)
            except (ApiError, TransportError) as error:
                problem = await asyncio.to_thread(refusal, self._settings, error)
                problem = problem or f"{self._where} is waited for: {_words(error)}"
                self._health.tell("elasticsearch", problem)
                log.warning(problem)
                await self.sleep(_RETRY_SECONDS)
            else:
                self._health.tell("elasticsearch", None)
                self.ready.set()
                return

    async def on_stop(self) -> None:
        await self.client.close()


def _words(error: ApiError | TransportError) -> str:
    return f"{type(error).__name__}: {error.message}"
