"""Says of each staged policy of the revision in force, every few minutes, how ready it is to be enforced."""

import time
from collections import Counter
from typing import Any, get_args

import structlog
from elastic_transport import TransportError
from elasticsearch import ApiError
from mode import Service

from agents.elastic import Elastic
from agents.follow_policies import FollowPolicies
from agents.health import Health
from agents.read_readiness import ReadReadiness
from pipeline import metrics
from pipeline.index_readiness import index_of
from pipeline.readiness import Word, readiness
from pipeline.readiness_document import bulk_lines, document_of
from pipeline.settings import Settings
from pipeline.staged_policies import Staged, staged_policies
from pipeline.unjudged_policies import unjudged_policies

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 2.0
_NOT_INDEXED_SECONDS = 60.0  # that is how long it may take after a revision came into force
_MOST = 10_000  # staged policies
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}


class TellReadiness(Service):
    """All is read from Elasticsearch and written to it: any worker may do it, and all do. Whatever happens
    in here, flows are judged; Health tells of it under `readiness`."""

    def __init__(
        self, settings: Settings, health: Health, policies: FollowPolicies, elastic: Elastic, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._settings = settings
        self._health = health
        self._policies = policies
        self._elastic = elastic
        self._index = index_of(settings.cluster)
        self._read = ReadReadiness(settings, elastic.client)

    @Service.task
    async def _live(self) -> None:
        await self._policies.in_force.wait()
        await self._elastic.ready.wait()
        told_at = self.loop.time()
        while not self.should_stop:
            told, problem = False, None
            try:
                told = await self._tell()
            except (ApiError, TransportError) as error:
                problem = f"readiness is not told: {type(error).__name__}: {error.message}"
                log.warning(problem)
            except Exception as error:
                problem = f"readiness is not told: {type(error).__name__}: {error}"
                log.exception("readiness is not told")
            told_at = self.loop.time() if told else told_at
            if not told and not problem and self.loop.time() > told_at + self._late:
                problem = "readiness is not told: the policies in force are not indexed in whole"
            self._health.tell("readiness", problem)
            await self.sleep(self._settings.readiness.interval_seconds if told else _AGAIN_SECONDS)

    @property
    def _late(self) -> float:
        return self._settings.readiness.interval_seconds + _NOT_INDEXED_SECONDS

    async def _tell(self) -> bool:
        """Tell of all staged policies; False where the revision in force is not indexed in whole yet."""
        at, policies = int(time.time() * 1000), self._policies.judge.policies
        revisions = await self._read.revisions(policies)
        if revisions is None:
            return False
        unjudged = await self._policies.ask(unjudged_policies)
        staged = list(staged_policies(revisions, unjudged))
        documents = [await self._document(each, policies.revision, at) for each in staged]
        await self._write(documents, at)
        await self._count(documents)
        return True

    async def _document(self, staged: Staged, revision: str, at: int) -> dict[str, Any]:
        figures = await self._read.figures(staged, at)
        told = readiness(figures, self._settings.readiness)
        return document_of(staged, figures, told, self._settings.cluster, revision, at)

    async def _write(self, documents: list[dict[str, Any]], at: int) -> None:
        client = self._elastic.client
        found = await client.search(index=self._index, ignore_unavailable=True, size=_MOST, source=False)
        there = {hit["_id"] for hit in found.body["hits"]["hits"]}
        gone = sorted(there - {document["policy"] for document in documents})
        if documents or gone:
            body = bulk_lines(self._index, documents, gone, at)
            answer = await client.perform_request("POST", "/_bulk", headers=_HEADERS, body=body)
            _check(answer.body["items"])

    async def _count(self, documents: list[dict[str, Any]]) -> None:
        words = Counter(document["word"] for document in documents)
        denied = await self._read.denied_edges([document["policy"] for document in documents])
        for word in get_args(Word.__value__):
            metrics.READINESS.labels(word).set(words[word])
        metrics.DENIED_EDGES.clear()
        for policy, edges in denied.items():
            metrics.DENIED_EDGES.labels(policy).set(edges)


def _check(items: list[dict[str, Any]]) -> None:
    """Raises RuntimeError where a document was refused; what another worker told later stays."""
    for [answer] in (item.values() for item in items):
        if "error" in answer and answer["status"] != 409:
            raise RuntimeError(f"{answer['_id']}: {answer['error']['type']}: {answer['error'].get('reason')}")
