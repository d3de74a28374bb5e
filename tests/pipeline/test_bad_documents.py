"""What decodes, yet Elasticsearch may not like: it is taken or refused for good, never tried for ever."""

import random
from collections import Counter
from collections.abc import AsyncIterator

import numpy as np
import pytest
from elasticsearch import AsyncElasticsearch

from pipeline.annotate import Document, annotate
from pipeline.decode import decode
from pipeline.index import put_templates, write
from pipeline.match.verdict import Decision, Outcome, Verdicts
from tests.pipeline.flow_records import NOW, TOPIC_ID, message, record
from tests.pipeline.mutations import mutated
from tests.pipeline.test_decode_mutations import RECORDS

MUTATIONS = 5_000
DECISION = Decision("allow", ("0|default|np:data/db|allow|0",), "default", "np:data/db", 0)
OUTCOME = Outcome("data", "ingress", DECISION, DECISION, DECISION)


def with_key(key: bytes, value: bytes = b"1") -> bytes:
    return b'%b,"%b":%b}' % (record()[:-1], key, value)


REFUSED = {
    "a key twice": with_key(b"bytes_in"),
    "a key twice within": with_key(b"more", b'{"a":1,"a":2}'),
    "an empty key": with_key(b""),
    "a blank key": with_key(b" "),
    "a key of dots": with_key(b".."),
    "a key with nothing between dots": with_key(b"a..b"),
    "a key of a field within a value": with_key(b"source_ip.x"),
    "a key of Elasticsearch's own": with_key(b"_id"),
    "another of its own": with_key(b"_doc_count", b"-1"),
    "a number of too many digits": with_key(b"more", b"9" * 2_000),
    "nested deeper than it reads": with_key(b"more", b"[" * 1_500 + b"]" * 1_500),
    "a name too long to be found": record(source_namespace="n" * 40_000),
    "a name too long to be sorted": record(source_name_aggr="n" * 40_000),
    "a domain too long": record(dest_domains=["d" * 40_000]),
    "a time with an exponent": record(start_time=1).replace(b'"start_time": 1', b'"start_time": 1.7e9'),
    "a time written in another way": record(start_time="20231114T221320Z"),
}
TAKEN = {
    "NUL in names": record(host="a\0b", source_namespace="\0"),
    "NUL in a key": with_key(rb"\u0000"),
    "the last characters": record(host="\U0010ffff\uffff"),
    "the largest counters": record(bytes_in=2**63 - 1, num_flows=2**63 - 1),
    "a number of many digits": with_key(b"more", b"9" * 900),
    "an exponent beyond all": with_key(b"more", b"1e999999"),
    "nested as deep as it reads": with_key(b"more", b"[" * 900 + b"]" * 900),
    "many keys": b"%b,%b}" % (record()[:-1], b",".join(b'"k%d":1' % i for i in range(5_000))),
    "a long key": with_key(b"k" * 60_000),
    "many domains": record(dest_domains=[f"d{i}.example" for i in range(10_000)]),
    "an address with a zone": record(source_ip="fe80::1%eth0"),
}


@pytest.fixture
async def cluster(search: AsyncElasticsearch, unique: str) -> AsyncIterator[str]:
    """A cluster whose indices nobody else writes, made by the template."""
    await put_templates(search)
    yield unique
    for index in await search.indices.get(index=f"flowtier_flows.{unique}.*"):
        await search.indices.delete(index=index)


def documents(cluster: str, lines: list[bytes]) -> list[Document]:
    batch = decode([message(b"\n".join(lines))], NOW).batch
    return annotate(batch, Verdicts("r1", np.zeros(len(batch), np.int64), [OUTCOME]), cluster, 0)


async def count(search: AsyncElasticsearch, cluster: str) -> int:
    index = f"flowtier_flows.{cluster}.*"
    await search.indices.refresh(index=index)
    counted: int = (await search.count(index=index))["count"]
    return counted


async def test_each_that_is_refused_is_a_reject_with_a_reason_and_its_neighbours_are_written(search, cluster):
    good = record(dest_port=1)
    lines = [line for bad in REFUSED.values() for line in (bad, good)]
    written = await write(search, documents(cluster, lines))
    assert written.retries == {}
    assert [each.origin.row for each in written.rejects] == list(range(0, len(lines), 2))
    assert all(each.reason and each.stage == "index" for each in written.rejects)
    assert await count(search, cluster) == len(REFUSED)


async def test_what_is_odd_but_whole_is_written(search, cluster):
    written = await write(search, documents(cluster, list(TAKEN.values())))
    assert (written.rejects, written.retries) == ([], {})
    assert await count(search, cluster) == len(TAKEN)


async def test_no_mutated_record_is_tried_again_or_lost_or_forges_a_verdict(search, cluster):
    chance = random.Random(0)
    lines = [record(), *(mutated(chance, chance.choice(RECORDS)) for _ in range(MUTATIONS))]
    sent = documents(cluster, lines)
    written = await write(search, sent)
    assert written.retries == {}
    assert len(sent) > MUTATIONS / 4
    assert await count(search, cluster) == len(sent) - len(written.rejects)
    told = Counter(f"{TOPIC_ID}-0-0-{each.origin.row}" for each in written.rejects)
    assert told.keys() < {each.id for each in sent}
    assert max(told.values(), default=1) == 1
    by_impact = {"impact": {"terms": {"field": "verdict.impact"}}}
    found = await search.search(index=f"flowtier_flows.{cluster}.*", size=0, aggs=by_impact)
    impacts = {each["key"] for each in found["aggregations"]["impact"]["buckets"]}
    assert impacts == {"none"}
