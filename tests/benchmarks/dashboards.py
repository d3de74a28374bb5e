"""What the roll-ups of seven days weigh beside their flows, and how long each panel's query takes over them.

Of ten million flows in seven days a few hours are generated, judged and rolled up; the other hours are copies
of their documents. `python -m tests.benchmarks.dashboards 1000000 168` copies none.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import orjson
from elasticsearch import AsyncElasticsearch, Elasticsearch

from deploy.demo.cluster import Cluster, build
from deploy.demo.flow_log import flow_log, scale_for
from deploy.demo.generate import INTERVAL, POLICIES, SEED, judge_after, judge_before, window_until
from deploy.demo.manifests import write_facts
from deploy.local.stack import Stack
from pipeline.annotate import Document
from pipeline.decode import Limits
from pipeline.edges import NOTHING, Added, Place, roll_up, together
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
from pipeline.process import process
from pipeline.threats import Threats
from tests.dashboards.bundle import read_bundle
from tests.dashboards.context import Context
from tests.dashboards.questions import Question, questions

FLOWS, HOURS, GENERATED = 10_000_000, 168, 4
HOUR_MS = 3_600_000
END = datetime(2026, 1, 20, tzinfo=UTC)  # a midnight: days are whole
NAME = "bench"
RUNS = 5
ROWS = 500  # of documents, that Kibana asks for at once
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
    flows: int = 0

    def add(self, observed: list[tuple[str, bytes]], offsets: Iterator[int]) -> None:
        messages = [Message(value, NAME, 0, next(offsets), 0) for _, value in observed]
        now = END.timestamp() - HOURS * 3_600  # when nothing has aged out
        for place, added in roll_up(messages, self.kept, now).added.items():
            known = self.open.setdefault(place, added)
            if known is not added:
                for offset, figures in added.figures:
                    known.put(offset, together(figures))

    def over(self, intervals: int) -> list[Document]:
        """The documents of the windows that are over after so many intervals, given out once."""
        day = intervals == HOURS * _HOUR or (intervals + 1) % _DAY == 0
        ended = {"interval": True, "hour": True, "flowtier_rules": True, "day": day}
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


def report(flows: int = FLOWS, generated: int = GENERATED) -> None:
    began = time.perf_counter()
    with TemporaryDirectory(prefix="flowtier-benchmark-") as folder, Stack(NAME) as stack:
        cluster = build(window_until(END, HOURS, INTERVAL), scale_for(flows, HOURS * _HOUR), SEED)
        rolled = asyncio.run(_load(stack.elasticsearch, cluster, flows, generated, Path(folder)))
        print(f"The sample cluster at {flows:,} flows over 7 days: {generated} hours generated,")
        print(
            f"  {rolled.flows:,} flows; the others are copies ({time.perf_counter() - began:.0f} s to load)"
        )
        with Elasticsearch(stack.elasticsearch, request_timeout=300) as client:
            _tell_sizes(client, rolled)
            _tell_times(client, cluster)


async def _load(url: str, cluster: Cluster, flows: int, generated: int, folder: Path) -> Rolled:
    judge = _judge(cluster, folder)
    threats = Threats(judge.policies.network_sets, parse(Edges().threat_selector))
    rolled, offsets = Rolled(Kept(NAME, Edges())), count()
    async with AsyncElasticsearch(url, request_timeout=300) as client:
        await put_templates(client)
        lines = flow_log(cluster, judge_before(), judge_after(), flows, SEED)
        for number, messages in islice(_by_hour(lines), generated):
            part = process(messages, judge, None, Limits())
            observed = observe(part.batch, part.verdicts, part.resolved, INTERVAL * 1000, 0, threats)
            rolled.add(observed, offsets)
            rolled.flows += len(part.documents)
            documents = rolled.over(number)
            assert not (await write(client, documents + part.documents)).rejects
            hourly = [each for each in documents if window_of(each.index) in {"hour", "flowtier_rules"}]
            for shift in range(generated, HOURS, generated):
                assert not (await write(client, list(_copies(hourly, rolled.kept, shift)))).rejects
    return rolled


def _copies(documents: Iterable[Document], kept: Kept, hours: int) -> Iterator[Document]:
    """The documents so many hours later."""
    for each in documents:
        body = orjson.loads(each.body)
        for name in ("@timestamp", "first", "last", "last_hit"):
            if name in body:
                body[name] += hours * HOUR_MS
        series = kept.series["rules" if window_of(each.index) == "flowtier_rules" else "hour"]
        index = series.index_of(body["@timestamp"])
        yield Document(f"{each.id}-{hours}", index, orjson.dumps(body), b"}")


def _judge(cluster: Cluster, folder: Path) -> Judge:
    write_facts(cluster, folder)
    loaded = load_paths([POLICIES, folder])
    facts = Facts.from_resources(each.plain for each in loaded.facts)
    return Judge(to_policies(loaded), facts, NAME, 0, MAX_CELLS)


def _by_hour(intervals: Iterable[list[bytes]]) -> Iterator[tuple[int, list[Message]]]:
    """The flows of each hour, and how many intervals there were up to its end: a flow that ends with an
    hour is in the next."""
    messages: list[Message] = []
    for number, lines in enumerate(intervals, 1):
        messages.append(Message(b"".join(lines), "0123456789abcdefghijkl", 0, number, 0))
        if (number + 1) % _HOUR == 0 or number == HOURS * _HOUR:
            yield number, messages
            messages = []


def _tell_sizes(client: Elasticsearch, rolled: Rolled) -> None:
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
        share = rolled.documents[window] / rolled.flows
        aim = f", aim {AIM_SHARE:.0%}" if window == "hour" else ""
        told = f"{share:.1%} of the flows{aim}" if share else ""
        print(f"  {window:<16} {held[window]:>9,} documents of {size / held[window]:4.0f} bytes {told}")


def _tell_times(client: Elasticsearch, cluster: Cluster) -> None:
    context = Context(NAME, cluster.window.start * 1000, cluster.window.end * 1000)
    print("  each panel's query over 7 days, s: cold (caches cleared), then warm without the request cache")
    for name, question in questions(read_bundle()).items():
        cold, *warm = _times(client, question, context)
        late = " above the aim" if name.startswith(FAST) and max(cold, median(warm)) > AIM else ""
        print(f"    {name:<70} {cold:6.3f} {median(warm):6.3f}{late}")


def _times(client: Elasticsearch, question: Question, context: Context) -> Iterator[float]:
    index, body = question.request(context)
    body["size"] = min(body.get("size", 0), ROWS)
    client.indices.clear_cache(index=f"flowtier_*.{NAME}.*")
    for _ in range(1 + RUNS):
        began = time.perf_counter()
        client.search(index=index, request_cache=None if body["size"] else False, **body)
        yield time.perf_counter() - began


if __name__ == "__main__":
    report(*map(int, sys.argv[1:]))
