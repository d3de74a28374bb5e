"""The worker's Elasticsearch client, and the index templates that have to be there before it writes."""

import asyncio
from typing import Any

import structlog
from elastic_transport import TlsError, TransportError
from elasticsearch import ApiError, AsyncElasticsearch, AuthenticationException, AuthorizationException
from mode import Service

from agents.health import Health
from pipeline.index import put_templates
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 2.0


class ElasticsearchError(RuntimeError):
    """Elasticsearch refuses us, and will until somebody changes something; the message says what."""


class Elastic(Service):
    """`client` may be used once `ready` is set; a server that is away is waited for."""

    def __init__(self, settings: Settings, health: Health, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings.elasticsearch
        self._health = health
        self.client = AsyncElasticsearch(**self._settings.client_options())
        self.ready = asyncio.Event()

    @Service.task
    async def _prepare(self) -> None:
        where = ", ".join(self._settings.urls)
        while not self.should_stop:
            try:
                await put_templates(self.client, self._settings.shards, self._settings.replicas)
            except (AuthenticationException, AuthorizationException, TlsError) as error:
                raise ElasticsearchError(f"Elasticsearch at {where} refuses us: {_words(error)}") from None
            except (ApiError, TransportError) as error:
                problem = f"Elasticsearch at {where} is waited for: {_words(error)}"
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
