"""The indices of today, made before anything is written: dashboards find empty ones, and no error."""

import time
from collections.abc import Iterator

from elasticsearch import AsyncElasticsearch, BadRequestError

from pipeline import index_policies, index_readiness, index_recommendations
from pipeline.kept import all_series
from pipeline.settings import Settings

_EXISTS = "resource_already_exists_exception"


async def create(client: AsyncElasticsearch, settings: Settings) -> None:
    """Create those that are not there yet."""
    for index in _names(settings, int(time.time() * 1000)):
        try:
            await client.indices.create(index=index)
        except BadRequestError as error:
            if error.error != _EXISTS:
                raise


def _names(settings: Settings, now: int) -> Iterator[str]:
    for series in all_series(settings):
        yield series.index_of(now)
    for documents in (index_policies, index_readiness, index_recommendations):
        yield documents.index_of(settings.cluster)
