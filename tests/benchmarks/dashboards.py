"""What the roll-ups of seven days weigh beside their flows, and how long each panel's query takes over them.

`python -m tests.benchmarks.dashboards 10000000` for so many flows; above a million without their documents.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from elasticsearch import AsyncElasticsearch, Elasticsearch

from deploy.demo.cluster import Cluster, build
from deploy.demo.flow_log import flow_log, scale_for
from deploy.demo.generate import INTERVAL, POLICIES, SEED, judge_after, judge_before, window_until
from deploy.demo.manifests import write_facts
from deploy.local.stack import Stack
from pipeline.annotate import Document
from pipeline.decode import Limits
from pipeline.edges import NOTHING, Added, Place, roll_up
from pipeline.edges_section import Edges
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.index import put_templates, write
from pipeline.judge import Judge
from pipeline.kept import Kept
from pipeline.observe import observe
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.policy.selector import parse
from pipeline.process import Processed, process
from pipeline.threats import Threats
from tests.dashboards.bundle import read_bundle
from tests.dashboards.context import Context
from tests.dashboards.questions import Question, questions

FLOWS, WITH_DOCUMENTS, HOURS = 1_000_000, 1_000_000, 168
END = datetime(2026, 1, 20, tzinfo=UTC)  # a midnight: days are whole
NAME = "bench"
RUNS = 5
MAX_CELLS = 4_096
AIM, AIM_SHARE = 1.0, 0.02  # seconds; of the flows' documents
FAST = ("flowtier-overview", "flowtier-staged-impact", "flowtier-service-graph")
_HOUR, _DAY = 3_600 // INTERVAL, 86_400 // INTERVAL  # intervals


@dataclass(slots=True)
class Rolled:
    """What is rolled up and not written yet, and how many documents there were of each window."""

    kept: Kept
    open: dict[Place, Added] = field(default_factory=dict)
    documents: Counter[str] = field(default_factory=Counter)

    def add(self, observed: list[tuple[str, bytes]], offsets: Iterator[int]) -> None:
        messages = [Message(value, NAME, 0, next(offsets), 0) for _, value in observed]
        for place, added in roll_up(messages, self.kept, END.timestamp()).added.items():
            known = self.open.setdefault(place, added)
            if known is not added:
                for offset, figures in added.figures:
                    known.put(offset, figures)

    def over(self, intervals: int) -> list[Document]:
        """The documents of the windows that are over after so many intervals, given out once: a flow that
        ends with an hour is in the next."""
        last = intervals == HOURS * _HOUR
        hour, day = last or (intervals + 1) % _HOUR == 0, last or (intervals + 1) % _DAY == 0
        ended = {"interval": True, "hour": hour, "flowtier_rules": hour, "day": day}
        found = []
        for place in [each for each in self.open if ended[window_of(each.index)]]:
            added = self.open.pop(place)
            self.documents[window_of(place.index)] += 1
            body = added.document(NOTHING.with_(added).figures)
            found.append(Document(place.id, place.index, body, b"}"))
        return found


def window_of(index: str) -> str:
    """interval, hour, day; of other indices the first part of their name."""
    first, _, second, *_ = index.split(".")
    return second if first == "flowtier_edges" else first


def report(flows: int = FLOWS) -> None:
    began = time.perf_counter()
    with TemporaryDirectory(prefix="flowtier-benchmark-") as folder, Stack(NAME) as stack:
        cluster = build(window_until(END, HOURS, INTERVAL), scale_for(flows, HOURS * _HOUR), SEED)
        rolled = asyncio.run(_load(stack.elasticsearch, cluster, flows, Path(folder)))
        print(
            f"The sample cluster, {flows:,} flows over 7 days ({time.perf_counter() - began:.0f} s to load)"
        )
        with Elasticsearch(stack.elasticsearch, request_timeout=300) as client:
            _tell_sizes(client, rolled, flows)
            _tell_times(client, cluster)


async def _load(url: str, cluster: Cluster, flows: int, folder: Path) -> Rolled:
    judge = _judge(cluster, folder)
    threats = Threats(judge.policies.network_sets, parse(Edges().threat_selector))
    rolled, offsets = Rolled(Kept(NAME, Edges())), count()
    async with AsyncElasticsearch(url, request_timeout=300) as client:
        await put_templates(client)
        lines = flow_log(cluster, judge_before(), judge_after(), flows, SEED)
        for number, interval in enumerate(lines, 1):
            part = _process(b"".join(interval), number, judge)
            observed = observe(part.batch, part.verdicts, part.resolved, INTERVAL * 1000, 0, threats)
            rolled.add(observed, offsets)
            documents = rolled.over(number)
            if flows <= WITH_DOCUMENTS:
                documents += part.documents
            assert not (await write(client, documents)).rejects
    return rolled


def _judge(cluster: Cluster, folder: Path) -> Judge:
    write_facts(cluster, folder)
    loaded = load_paths([POLICIES, folder])
    facts = Facts.from_resources(each.plain for each in loaded.facts)
    return Judge(to_policies(loaded), facts, NAME, 0, MAX_CELLS)


def _process(value: bytes, number: int, judge: Judge) -> Processed:
    return process([Message(value, "0123456789abcdefghijkl", 0, number, 0)], judge, None, Limits())


def _tell_sizes(client: Elasticsearch, rolled: Rolled, flows: int) -> None:
    client.indices.forcemerge(index=f"flowtier_*.{NAME}.*", max_num_segments=1)
    client.indices.flush(index=f"flowtier_*.{NAME}.*")
    client.indices.refresh(index=f"flowtier_*.{NAME}.*")
    stats = client.indices.stats(index=f"flowtier_*.{NAME}.*")["indices"]
    sizes, held = Counter[str](), Counter[str]()
    for index, each in stats.items():
        sizes[window_of(index)] += each["primaries"]["store"]["size_in_bytes"]
        held[window_of(index)] += each["primaries"]["docs"]["count"]
    edges = client.search(
        index=f"flowtier_edges.{NAME}.hour.*",
        size=0,
        aggs={"edges": {"cardinality": {"field": "edge", "precision_threshold": 40_000}}},
    )["aggregations"]["edges"]["value"]
    print(f"  {edges:,} distinct edges")
    for window, size in sizes.items():
        documents = rolled.documents[window] or held[window]
        print(
            f"  {window:<16} {documents:>10,} documents, {documents / flows:6.2%} of the flows;"
            f" {held[window]:>10,} held, {size / 1e6:8.1f} MB, {size / held[window]:5.0f} bytes each"
        )


def _tell_times(client: Elasticsearch, cluster: Cluster) -> None:
    context = Context(NAME, cluster.window.start * 1000, cluster.window.end * 1000)
    print("  each panel's query over 7 days, s: cold (caches cleared), then warm without the request cache")
    for name, question in questions(read_bundle()).items():
        cold, *warm = _times(client, question, context)
        late = " above the aim" if name.startswith(FAST) and max(cold, median(warm)) > AIM else ""
        print(f"    {name:<70} {cold:6.3f} {median(warm):6.3f}{late}")


def _times(client: Elasticsearch, question: Question, context: Context) -> Iterator[float]:
    index, body = question.request(context)
    client.indices.clear_cache(index=f"flowtier_*.{NAME}.*")
    for _ in range(1 + RUNS):
        began = time.perf_counter()
        client.search(index=index, request_cache=False if not body.get("size", 10) else None, **body)
        yield time.perf_counter() - began


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else FLOWS)
