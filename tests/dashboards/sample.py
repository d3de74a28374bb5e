"""The sample cluster in Elasticsearch, loaded without Kafka, and its flows as they were written."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import bulk

from agents.read_readiness import ReadReadiness
from deploy.demo.generate import HOURS, INTERVAL, SEED, window_until, write_sample
from pipeline import index_policies, index_readiness, index_recommendations, index_rejects
from pipeline.applies_to import AppliesTo
from pipeline.dead_letter import to_record
from pipeline.decode import Limits
from pipeline.edges import NOTHING, roll_up
from pipeline.edges_section import Edges
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.flow_files import read_blocks
from pipeline.index import put_templates, write
from pipeline.index_policies import Published
from pipeline.judge import Judge
from pipeline.kept import Kept, rejects_series
from pipeline.kept_rejects import replayed_record
from pipeline.observe import observe
from pipeline.policy.load import load_paths
from pipeline.policy.policies import Policies
from pipeline.policy.revision import to_policies
from pipeline.policy.selector import parse
from pipeline.process import Processed, process
from pipeline.readiness import readiness
from pipeline.readiness_document import document_of
from pipeline.recommend.learn import Window
from pipeline.recommend.offline import Lessons
from pipeline.recommend.recommend import recommend
from pipeline.recommend.recommendation import Options
from pipeline.revisions import Revision
from pipeline.settings import Settings
from pipeline.staged_policies import staged_policies
from pipeline.threats import Threats
from pipeline.unjudged_policies import unjudged_policies
from tests.dashboards.context import Context

FLOWS = 8_000
PARTITIONS = 4
END = datetime(2026, 1, 13, 2, tzinfo=UTC)  # a Tuesday
THREATS = "feed == 'threat'"
# What is no flow, with the stage and the kind of the reject that it becomes.
BROKEN = (
    (b"no flow", "decode", "not JSON"),
    (b"{", "decode", "not JSON"),
    (b"[]", "decode", "an empty message"),
    (None, "decode", "a tombstone"),
)
CHANGED_AT = 0.31  # share of the window: some flows of that interval disagree with the policies since
MAX_CELLS = 4_096

SILENT = """
apiVersion: v1
kind: Pod
metadata:
  name: archive-0
  namespace: batch
  generateName: archive-
  labels: {app: archive}
  creationTimestamp: '2026-01-04T04:28:56Z'
spec: {serviceAccountName: default}
status: {phase: Running, podIP: 10.0.67.2}
"""  # a staged policy applies to it, and it says nothing

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What is in Elasticsearch under `cluster`: `flows` are its flow documents, counted by whoever asks,
    `recommendations` what was recommended from them, `rules` which rules were observed to match, and
    `rejects` what was no flow, each time that it was rejected."""

    cluster: str
    start: int  # ms since the epoch
    end: int
    policies: Policies
    facts: Facts
    flows: tuple[Document, ...]
    recommendations: tuple[Document, ...]
    rules: tuple[Document, ...]
    rejects: tuple[Document, ...]
    chosen: tuple[str, str] | None = None
    chosen_from: "Sample | None" = None

    @property
    def whole(self) -> "Sample":
        """The sample without a choice."""
        return self.chosen_from or self

    @property
    def context(self) -> Context:
        """Up to when the last hour is over: that is when what was learned from it was known."""
        return Context(self.cluster, self.start, self.end + 3_600_000)

    def where(self, name: str, value: str) -> "Sample":
        """With those documents alone that have this value in a field, or in its list."""
        return replace(
            self,
            flows=tuple(each for each in self.flows if value in listed(each, name)),
            rejects=tuple(each for each in self.rejects if value in listed(each, name)),
            recommendations=tuple(each for each in self.recommendations if value in listed(each, name)),
            chosen=(name, value),
            chosen_from=self,
        )


def listed(document: Document, name: str) -> list[Any]:
    """The values of a dotted field."""
    value: Any = document
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return [] if value is None else value if isinstance(value, list) else [value]


def load(url: str, cluster: str, folder: Path) -> Sample:
    """Write the sample cluster, judge it, and index everything that the dashboards read."""
    window = window_until(END, HOURS, INTERVAL)
    written = write_sample(folder, window, FLOWS, SEED)
    (written.facts / "silent.yaml").write_text(SILENT)
    loaded = load_paths([written.policies, written.facts])
    policies = to_policies(loaded)
    facts = Facts.from_resources(each.plain for each in loaded.facts)
    judge = Judge(policies, facts, cluster, window.at(CHANGED_AT) * 1000, MAX_CELLS)
    processed = [process(block, judge, None, Limits()) for block in read_blocks([str(written.flow_log)])]
    assert not any(each.rejects for each in processed)
    observed = [each for part in processed for each in _observe(part, judge)]
    asyncio.run(_write_flows(url, processed))
    recommended = list(_recommendations(cluster, policies, facts, observed))
    with Elasticsearch(url) as client:
        bulk(client, _edges(cluster, observed))
        bulk(client, _policies(cluster, policies, facts))
        bulk(client, recommended)
        bulk(client, _rejects(cluster, judge, window.start * 1000))
        client.indices.refresh(index=f"flowtier_*.{cluster}*")
    asyncio.run(_write_readiness(url, cluster, policies, facts))
    flows = tuple(orjson.loads(each.body) for part in processed for each in part.documents)
    # verdict.namespace is another name of the field there.
    documents = tuple(
        each["_source"] | {"verdict": {"namespace": each["_source"]["namespace"]}} for each in recommended
    )
    start, end, rules = window.start * 1000, window.end * 1000, tuple(_rules(cluster, observed))
    rejects = tuple(
        {"cluster": cluster, "stage": stage, "kind": kind, "origin": number, "at": start + again}
        for again in range(2)
        for number, (_, stage, kind) in enumerate(BROKEN)
    )
    return Sample(cluster, start, end, policies, facts, flows, documents, rules, rejects)


def _rejects(cluster: str, judge: Judge, at: int) -> Iterator[Document]:
    """Each line is rejected, replayed, and rejected again a millisecond later."""
    broken = [Message(value, "flows", 0, offset, at) for offset, (value, *_) in enumerate(BROKEN)]
    rejects = process(broken, judge, None, Limits()).rejects
    assert len(rejects) == len(BROKEN)
    told = [to_record(each)[1] for each in rejects]
    replays = [replayed_record(each.origin, at)[1] for each in rejects]
    records = [(value, at) for value in told + replays] + [(value, at + 1) for value in told]
    series = rejects_series(Settings().model_copy(update={"cluster": cluster}))
    for offset, (value, when) in enumerate(records):
        if body := index_rejects.document_of(Message(value, "rejects", 0, offset, when), cluster):
            yield {"_index": series.index_of(when), "_id": str(offset), "_source": body}


async def _write_flows(url: str, processed: Iterable[Processed]) -> None:
    async with AsyncElasticsearch(url) as client:
        await put_templates(client)
        for each in processed:
            assert not (await write(client, each.documents)).rejects


def _observe(part: Processed, judge: Judge) -> list[tuple[str, bytes]]:
    threats = Threats(judge.policies.network_sets, parse(THREATS))
    return observe(part.batch, part.verdicts, part.resolved, INTERVAL * 1000, judge.changed_at, threats)


def _rules(cluster: str, observed: Iterable[tuple[str, bytes]]) -> Iterator[Document]:
    for namespace, value in observed:
        about = {"cluster": cluster, "namespace": namespace}
        yield from (each | about for each in orjson.loads(value)["rules"])


def _edges(cluster: str, observed: Iterable[tuple[str, bytes]]) -> Iterator[Document]:
    messages = [
        Message(value, "observations", len(namespace) % PARTITIONS, offset, 0)
        for offset, (namespace, value) in enumerate(observed)
    ]
    rolled_up = roll_up(messages, Kept(cluster, Edges()), END.timestamp())
    assert not rolled_up.unreadable
    for place, added in rolled_up.added.items():
        body = orjson.loads(added.document(NOTHING.with_(added).figures))
        yield {"_index": place.index, "_id": place.id, "_source": body}


def _policies(cluster: str, policies: Policies, facts: Facts) -> Iterator[Document]:
    at = END.timestamp() - HOURS * 3_600
    revision = Revision(
        revision=policies.revision, content="", resources=0, source="sample", commit="c0ffee", published=at
    )
    applies_to = AppliesTo(facts, END.timestamp())
    for name, body in index_policies.documents_of(policies, Published(revision, 1), applies_to, cluster):
        yield {
            "_index": index_policies.index_of(cluster),
            "_id": name,
            "_source": msgspec.to_builtins(body),
        }


async def _write_readiness(url: str, cluster: str, policies: Policies, facts: Facts) -> None:
    """As the worker tells of it, but at the end of the sample."""
    settings, at = Settings().model_copy(update={"cluster": cluster}), int(END.timestamp() * 1000)
    async with AsyncElasticsearch(url) as client:
        reader = ReadReadiness(settings, client)
        revisions = await reader.revisions(policies)
        assert revisions
        index = index_readiness.index_of(cluster)
        for staged in staged_policies(revisions, unjudged_policies(policies, facts)):
            figures = await reader.figures(staged, at)
            told = readiness(figures, settings.readiness)
            body = document_of(staged, figures, told, cluster, policies.revision, at)
            await client.index(index=index, id=staged.policy, document=msgspec.to_builtins(body))
        await client.indices.refresh(index=index)


def _recommendations(
    cluster: str, policies: Policies, facts: Facts, observed: Iterable[tuple[str, bytes]]
) -> Iterator[Document]:
    lessons = Lessons(Window(0, 1 << 40))
    lessons.take(value for _, value in observed)
    options = Options()
    for each in recommend(lessons.known(options.lookback_days), policies, facts, options, {}):
        body = msgspec.to_builtins(index_recommendations.document_of(each, cluster))
        yield {"_index": index_recommendations.index_of(cluster), "_id": each.name, "_source": body}
