"""What a flow document weighs in Elasticsearch, with its verdicts and without, by our template or none."""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import AsyncElasticsearch

from deploy.demo.generate import HOURS, INTERVAL, SEED, window_until, write_sample
from deploy.local.stack import Stack
from pipeline.annotate import Document
from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import FIELDS, Message
from pipeline.index import index_template, write
from pipeline.judge import Judge
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.process import process

FLOWS, BATCH = 120_000, 10_000
# Every field searched and kept in columns, as Elasticsearch does by itself for these types.
DEFAULTS: dict[str, Any] = {
    "mappings": {
        "dynamic": False,
        "properties": {
            each.name: {"type": each.type, **({"ignore_malformed": True} if each.type != "keyword" else {})}
            for each in FIELDS
            if each.type
        },
    }
}


def report() -> None:
    documents = list(_documents())
    plain = [Document(each.id, each.index, _without_verdict(each.body), b"}") for each in documents]
    ours = index_template()["template"]
    body = sum(len(each.body) for each in documents) / len(documents)
    print(f"Elasticsearch, merged to one segment: the sample cluster, {body:.0f} bytes of JSON a document")
    with Stack("bench") as stack:
        for what, found, template in (
            ("with verdicts", documents, ours),
            ("without verdicts", plain, ours),
            ("with verdicts, Elasticsearch's defaults", documents, DEFAULTS),
        ):
            size = asyncio.run(_stored(stack.elasticsearch, found, template))
            print(f"  {what:<42} {size:6.1f} bytes a document")


def _documents() -> Iterator[Document]:
    with tempfile.TemporaryDirectory() as folder:
        window = window_until(datetime(2026, 1, 20, tzinfo=UTC), HOURS, INTERVAL)
        sample = write_sample(Path(folder), window, FLOWS, SEED)
        loaded = load_paths([sample.policies, sample.facts])
        lines = sample.flow_log.read_bytes().splitlines()
    facts = Facts.from_resources(resource.plain for resource in loaded.facts)
    judge = Judge(to_policies(loaded), facts, "bench", 0, 4096)
    for at in range(0, len(lines), BATCH):
        value = b"\n".join(lines[at : at + BATCH])
        # An id is as long as Kafka's are.
        message = Message(value, "0123456789abcdefghijkl", 0, 10_000_000 + at, 0)
        yield from process([message], judge, None, Limits()).documents


def _without_verdict(body: bytes) -> bytes:
    return orjson.dumps({name: value for name, value in orjson.loads(body).items() if name != "verdict"})


async def _stored(url: str, documents: list[Document], template: dict[str, Any]) -> float:
    """Bytes of each document on disk, in an index of its own that is gone afterwards."""
    index = "storage"
    async with AsyncElasticsearch(url, request_timeout=300) as client:
        await client.indices.create(index=index, **template)
        await write(client, [Document(each.id, index, each.body, b"}") for each in documents])
        await client.indices.forcemerge(index=index, max_num_segments=1)
        await client.indices.flush(index=index)
        await client.indices.refresh(index=index)
        stats = (await client.indices.stats(index=index))["indices"][index]["primaries"]
        await client.indices.delete(index=index)
    assert stats["docs"]["count"] == len(documents)
    return float(stats["store"]["size_in_bytes"] / len(documents))
