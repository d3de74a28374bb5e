"""What messages add ▸ documents of edges and rules in Elasticsearch, each with the version that says so."""

from agents.elastic import Elastic
from agents.known_documents import KnownDocuments
from pipeline.edges import NOTHING, Added, Counted, Place
from pipeline.index import Bulk, OnRetry
from pipeline.index_versions import Outcome, Versioned, Versions, Wanted
from pipeline.sections import Elasticsearch


class WriteEdges:
    """Documents are read unless they are known, and written until Elasticsearch has them, or newer ones."""

    def __init__(self, settings: Elasticsearch, elastic: Elastic) -> None:
        self._bulk = Bulk(settings.bulk_documents, settings.bulk_bytes)
        self._elastic = elastic
        self._known = KnownDocuments()

    def forget(self) -> None:
        """Others may have written meanwhile: read again what was known."""
        self._known.clear()

    async def write(self, added: dict[Place, Added]) -> Outcome:
        return await self._elastic.persist(lambda on_retry: self._write(added, on_retry))

    async def _write(self, added: dict[Place, Added], on_retry: OnRetry) -> Outcome:
        versions = Versions(self._elastic.client, self._bulk, on_retry)
        wanted = [Wanted(place, each.names) for place, each in added.items() if place not in self._known]
        found = await versions.read(wanted)
        after = self._count(added, found)
        outcome = await versions.write([
            Versioned(place, counted.version, added[place].document(counted.figures))
            for place, counted in after.items()
        ])  # fmt: skip
        self._remember(after, outcome)
        return outcome

    def _count(self, added: dict[Place, Added], found: dict[Place, Counted]) -> dict[Place, Counted]:
        """The documents that change."""
        after = {}
        for place, each in added.items():
            before = self._known.get(place) or found.get(place, NOTHING)
            counted = before.with_(each)
            if counted.version > before.version:
                after[place] = counted
        return after

    def _remember(self, after: dict[Place, Counted], outcome: Outcome) -> None:
        refused = outcome.stale.union(outcome.rejected)
        self._known.forget(refused)
        for place, counted in after.items():
            if place not in refused:
                self._known.put(place, counted)
