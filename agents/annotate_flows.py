"""Judges batches of flows and brings their documents to Elasticsearch."""

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from agents.elastic import Elastic
from agents.follow_policies import FollowPolicies
from agents.group_topic import Taken
from agents.topics import Topics
from agents.transactions import Record
from pipeline import metrics
from pipeline.annotate import Tally, tally
from pipeline.dead_letter import Reject, to_record
from pipeline.flow import FlowBatch
from pipeline.index import Bulk
from pipeline.judge import Judge
from pipeline.limits import limits_of
from pipeline.match.verdict import Verdicts
from pipeline.observe import observe
from pipeline.policy.selector import parse
from pipeline.process import Processed, process
from pipeline.resolve import Resolved
from pipeline.settings import Settings
from pipeline.threats import Threats


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
        self._limits = limits_of(settings.flows)
        options = settings.elasticsearch
        self._bulk = Bulk(options.bulk_documents, options.bulk_bytes, options.bulk_concurrency)
        self._interval_ms = settings.edges.interval_seconds * 1000
        self._threat_selector = parse(settings.edges.threat_selector)
        self._threats_of = lru_cache(maxsize=1)(self._threats)  # of the revision in force
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
        indexing = asyncio.create_task(self._index(batch, judged))
        self._indexing.add(indexing)
        indexing.add_done_callback(self._indexing.discard)

    def _judge(self, taken: Taken) -> "_Judged":
        with metrics.BATCH_SECONDS.labels("judge").time():
            judge = self._policies.judge
            processed = process(taken.messages, judge, time.time(), self._limits)
            revision = _Revision(judge.changed_at, self._threats_of(judge))
            learned = self._learn(processed.batch, processed.verdicts, processed.resolved, revision)
            return _Judged(processed, revision, learned)

    def _threats(self, judge: Judge) -> Threats:
        return Threats(judge.policies.network_sets, self._threat_selector)

    def _learn(
        self, batch: FlowBatch, verdicts: Verdicts, resolved: Resolved, revision: "_Revision"
    ) -> "_Learned":
        topic, (changed_at, threats) = self._topics.observations.name, revision
        observed = observe(batch, verdicts, resolved, self._interval_ms, changed_at, threats)
        observations = [Record(topic, key.encode(), value) for key, value in observed]
        return _Learned(observations, tally(batch, verdicts, changed_at))

    def _learn_without(self, judged: "_Judged", refused: set[str]) -> "_Learned":
        """What the flows taught but those whose documents Elasticsearch refused."""
        processed = judged.processed
        rows = [row for row, id_ in enumerate(processed.batch.ids) if id_ in refused]
        batch, resolved = processed.batch.without(set(rows)), processed.resolved.without(rows)
        return self._learn(batch, processed.verdicts.without(rows), resolved, judged.revision)

    async def _index(self, batch: Batch, judged: "_Judged") -> None:
        processed, learned = judged.processed, judged.learned
        try:
            with metrics.BATCH_SECONDS.labels("index").time():
                written = await self._elastic.write(processed.documents, self._bulk)
            if refused := {each.origin.document_id for each in written.rejects}:
                run = asyncio.get_running_loop().run_in_executor
                learned = await run(self._judging, self._learn_without, judged, refused)
        except Exception as error:  # noqa: BLE001
            batch.annotated.set_exception(error)
            return
        documents = [each.id for each in processed.documents if each.id not in refused]
        rejects = batch.taken.unreadable + processed.rejects + written.rejects
        records = [_reject_record(self._topics.rejects.name, each) for each in rejects]
        answer = Annotated(
            records=learned.observations + records,
            tally=learned.tally,
            rejects=rejects,
            documents=len(documents),
            classes=processed.verdicts.classes,
            refused=refused_messages(documents, rejects) if rejects else frozenset(),
        )
        batch.annotated.set_result(answer)


@dataclass(frozen=True, slots=True)
class _Learned:
    """What some flows taught: the records of their observations, and how many there are of each kind."""

    observations: list[Record]
    tally: Tally


class _Revision(NamedTuple):
    """What observations say by the revision that judged their flows: since when it is in force (ms), and
    its threat feeds."""

    changed_at: int
    threats: Threats


@dataclass(frozen=True, slots=True)
class _Judged:
    """A batch that waits to be indexed."""

    processed: Processed
    revision: _Revision
    learned: _Learned


def refused_messages(documents: list[str], rejects: list[Reject]) -> frozenset[tuple[int, int]]:
    """Partition and offset of the messages of which nothing was taken; `documents` by their ids."""
    refused = Counter((each.origin.partition, each.origin.offset) for each in rejects)
    for document in documents:
        _, partition, offset, _ = document.rsplit("-", 3)
        refused.pop((int(partition), int(offset)), None)
    return frozenset(refused)


def _reject_record(topic: str, reject: Reject) -> Record:
    key, value, headers = to_record(reject)
    return Record(topic, key, value, tuple(headers))
