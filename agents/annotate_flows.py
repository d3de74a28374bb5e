"""Judges batches of flows and brings their documents to Elasticsearch."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from agents.elastic import Elastic
from agents.flows_topic import Taken
from agents.follow_policies import FollowPolicies
from agents.topics import Topics
from agents.transactions import Record
from pipeline import metrics
from pipeline.annotate import Document, Tally, tally
from pipeline.dead_letter import Reject, to_record
from pipeline.decode import Limits
from pipeline.index import Bulk
from pipeline.observe import observe
from pipeline.process import Processed, process
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Annotated:
    """What a batch led to, once every document is written or rejected: the records for our topics, and
    what there is to count once they are committed."""

    records: list[Record]
    tally: Tally
    rejects: list[Reject]
    documents: int
    classes: int
    refused: frozenset[tuple[int, int]]  # partition, offset of messages of which nothing was taken

    def count(self) -> None:
        """Add it to the metrics."""
        metrics.FLOWS.inc(self.documents)
        metrics.CLASSES.inc(self.classes)
        for reject in self.rejects:
            metrics.REJECTS.labels(reject.stage, reject.kind).inc()
        for metric, counter in (
            (metrics.VERDICTS, self.tally.action),
            (metrics.AGREEMENT, self.tally.agrees),
            (metrics.IMPACT, self.tally.impact),
            (metrics.UNKNOWNS, self.tally.unknown),
            (metrics.STAGED_DENY, self.tally.staged_deny),
            (metrics.STAGED_ALLOW, self.tally.staged_allow),
        ):
            for label, flows in counter.items():
                metric.labels(label).inc(flows)


@dataclass(slots=True, eq=False)
class Batch:
    """What was taken from the flows topic, and the answer that it waits for."""

    taken: Taken
    annotated: "asyncio.Future[Annotated]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Annotator:
    """The work on one batch: judged in the thread `judging`, one at a time, then indexed, which lets the
    next one be judged meanwhile."""

    def __init__(
        self,
        settings: Settings,
        policies: FollowPolicies,
        judging: ThreadPoolExecutor,
        elastic: Elastic,
    ) -> None:
        self._topics = Topics(settings)
        self._policies = policies
        self._judging = judging
        self._elastic = elastic
        self._limits = _limits(settings)
        options = settings.elasticsearch
        self._bulk = Bulk(options.bulk_documents, options.bulk_bytes, options.bulk_concurrency)
        self._indexing: set[asyncio.Task[None]] = set()

    async def annotate(self, batch: Batch) -> None:
        """Judge a batch, by one revision, and have it indexed; its future is answered after that.

        What is wrong with our own doings ends up there too, where it ends the worker: it is nothing
        that a batch could be rejected for.
        """
        try:
            judged = await asyncio.get_running_loop().run_in_executor(self._judging, self._judge, batch.taken)
        except Exception as error:  # noqa: BLE001
            batch.annotated.set_exception(error)
            return
        indexing = asyncio.create_task(self._index(batch, *judged))
        self._indexing.add(indexing)
        indexing.add_done_callback(self._indexing.discard)

    def _judge(self, taken: Taken) -> tuple[Processed, list[Record], Tally]:
        with metrics.BATCH_SECONDS.labels("judge").time():
            judge = self._policies.judge
            processed = process(taken.messages, judge, time.time(), self._limits)
            counts = tally(processed.batch, processed.verdicts, judge.changed_at)
            return processed, list(self._observations(processed)), counts

    def _observations(self, processed: Processed) -> Iterator[Record]:
        for namespace, value in observe(processed.batch, processed.verdicts):
            yield Record(self._topics.observations.name, namespace.encode(), value)

    async def _index(
        self, batch: Batch, processed: Processed, observations: list[Record], counts: Tally
    ) -> None:
        try:
            with metrics.BATCH_SECONDS.labels("index").time():
                written = await self._elastic.write(processed.documents, self._bulk)
        except Exception as error:  # noqa: BLE001
            batch.annotated.set_exception(error)
            return
        rejects = processed.rejects + written.rejects
        records = [_reject_record(self._topics.rejects.name, each) for each in rejects]
        documents = len(processed.documents) - len(written.rejects)
        refused = refused_messages(processed.documents, rejects) if rejects else frozenset()
        classes = processed.verdicts.classes
        answer = Annotated(observations + records, counts, rejects, documents, classes, refused)
        batch.annotated.set_result(answer)


def refused_messages(documents: list[Document], rejects: list[Reject]) -> frozenset[tuple[int, int]]:
    """Partition and offset of the messages of which nothing was taken."""
    refused = Counter((each.origin.partition, each.origin.offset) for each in rejects)
    for document in documents:
        _, partition, offset, _ = document.id.rsplit("-", 3)
        refused.pop((int(partition), int(offset)), None)
    return frozenset(refused)


def _reject_record(topic: str, reject: Reject) -> Record:
    key, value, headers = to_record(reject)
    return Record(topic, key, value, tuple(headers))


def _limits(settings: Settings) -> Limits:
    flows = settings.flows
    return Limits(flows.retention_days * 86_400, flows.max_ahead_hours * 3_600, flows.max_message_bytes)
