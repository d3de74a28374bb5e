import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from elasticsearch import AsyncElasticsearch

from pipeline.annotate import Document, annotate
from pipeline.decode import decode
from pipeline.flow import FIELDS
from pipeline.index import Bulk, bulk_body, index_template, is_reject, put_templates, write
from pipeline.match.verdict import Decision, Outcome, Verdicts
from tests.pipeline.flow_records import TOPIC_ID, message, record
from tests.pipeline.gate import gate

DECISION = Decision("allow", ("0|default|np:data/db|allow|0",), "default", "np:data/db", 0)
OUTCOME = Outcome("data", "ingress", DECISION, DECISION, DECISION)


def documents(cluster: str, *flows: bytes, offset: int = 0) -> list[Document]:
    batch = decode([message(b"\n".join(flows), offset)]).batch
    return annotate(batch, Verdicts("r1", np.zeros(len(batch), np.int64), [OUTCOME]), cluster, 0)


@pytest.fixture
async def cluster(search: AsyncElasticsearch, unique: str) -> AsyncIterator[str]:
    """A cluster whose indices nobody else writes, made by the template."""
    await put_templates(search)
    yield unique
    for index in await search.indices.get(index=f"flowtier_flows.{unique}.*"):
        await search.indices.delete(index=index)


async def found(search: AsyncElasticsearch, cluster: str, **query: Any) -> list[dict[str, Any]]:
    index = f"flowtier_flows.{cluster}.*"
    await search.indices.refresh(index=index)
    answer = await search.search(index=index, size=100, sort=["dest_port", "source_port"], **query)
    return [hit["_source"] for hit in answer["hits"]["hits"]]


async def test_documents_are_written_as_they_are_and_again_they_are_the_same(search, cluster):
    flows = [record(dest_port=port) for port in range(1, 8)]
    bulk = Bulk(documents=3, concurrency=2)
    for _ in range(2):
        written = await write(search, documents(cluster, *flows), bulk)
        assert (written.rejects, written.retries) == ([], {})
    assert await found(search, cluster) == [json.loads(each.body) for each in documents(cluster, *flows)]


async def test_what_calico_leaves_out_is_no_reason_to_refuse_a_document(search, cluster):
    aggregated = {
        "source_ip": None,
        "dest_ip": "-",
        "source_port": "*",
        "dest_port": None,
        "dest_domains": None,
    }
    times = {"start_time": "2023-11-14T22:13:20Z", "end_time": 1_700_000_300.25}
    flows = documents(cluster, record(**aggregated), record(**times), record(start_time=..., end_time=...))
    assert (await write(search, flows)).rejects == []
    assert len(await found(search, cluster)) == 3


QUERIES = [
    {"term": {"dest_ip": "10.0.0.0/8"}},
    {"term": {"source_namespace": "shop"}},
    {"term": {"verdict.enforced.action": "allow"}},
    {"term": {"verdict.enforced.policy": "np:data/db"}},
    {"range": {"@timestamp": {"gte": 1_700_000_300_000, "lte": 1_700_000_300_000}}},
    {"range": {"end_time": {"gte": "1700000300", "lte": "1700000300"}}},
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: json.dumps(query)[:40])
async def test_fields_are_found_by_their_own_types(search, cluster, query):
    await write(search, documents(cluster, record()))
    assert len(await found(search, cluster, query=query)) == 1


async def test_one_bad_document_among_many_is_a_reject_with_its_origin_and_reason(search, cluster):
    bad = record(dest_port=5, host="x" * 40_000)
    duplicate_keys = record(dest_port=6)[:-1] + b',"more":1,"more":2}'
    flows = [record(dest_port=1), bad, record(dest_port=3), duplicate_keys, record(dest_port=7)]
    written = await write(search, documents(cluster, *flows))
    assert [reject.origin for reject in written.rejects] == [
        (TOPIC_ID, 0, 0, 1_700_000_300_000, 1),
        (TOPIC_ID, 0, 0, 1_700_000_300_000, 3),
    ]
    assert {reject.stage for reject in written.rejects} == {"index"}
    assert "immense term" in written.rejects[0].reason
    assert "uplicate" in written.rejects[1].reason
    assert [hit["dest_port"] for hit in await found(search, cluster)] == [1, 3, 7]


async def test_a_reject_of_the_index_can_be_replayed_under_its_first_id(search, cluster):
    (reject,) = (await write(search, documents(cluster, record(host="x" * 40_000)))).rejects
    assert reject.value
    mended = reject.value.replace(b"x" * 40_000, b"node")
    batch = decode([message(mended, 99, headers=tuple(reject.origin.headers()))]).batch
    verdicts = Verdicts("r2", np.zeros(1, np.int64), [OUTCOME])
    assert (await write(search, annotate(batch, verdicts, cluster, 0))).rejects == []
    assert batch.ids == [f"{TOPIC_ID}-0-0-0"]
    assert [hit["verdict"]["revision"] for hit in await found(search, cluster)] == ["r2"]


async def test_a_blocked_index_is_waited_out_and_only_what_failed_is_sent_again(search, cluster):
    await write(search, documents(cluster, record(dest_port=1), offset=1))
    blocked = f"flowtier_flows.{cluster}.20231114"
    await search.indices.put_settings(index=blocked, settings={"index.blocks.write": True})
    told, waiting = [], asyncio.Event()

    def on_retry(why: str, n: int, words: str) -> None:
        told.append((why, n, words))
        waiting.set()

    flows = documents(cluster, record(dest_port=2), record(dest_port=3, end_time=1_700_006_400))
    writing = asyncio.create_task(write(search, flows, on_retry=on_retry))
    await waiting.wait()
    await search.indices.put_settings(index=blocked, settings={"index.blocks.write": None})
    written = await writing
    assert {(why, n) for why, n, _ in told} == {("cluster_block_exception", 1)}
    assert all(blocked in words for _, _, words in told)
    assert written.retries["cluster_block_exception"] == len(told)
    assert written.rejects == []
    assert [hit["dest_port"] for hit in await found(search, cluster)] == [1, 2, 3]


async def test_a_request_that_is_too_large_is_halved_until_it_is_not(elasticsearch, search, cluster):
    flows = [record(dest_port=port) for port in range(1, 6)]
    flows.append(record(dest_port=6, host="x" * 10_000))
    most = 4000
    async with (
        gate(elasticsearch, lambda body: 413 if len(body) > most else None) as url,
        AsyncElasticsearch(url) as es,
    ):
        written = await write(es, documents(cluster, *flows))
    assert [reject.origin.row for reject in written.rejects] == [5]
    assert "413" in written.rejects[0].reason
    assert [hit["dest_port"] for hit in await found(search, cluster)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("status", [429, 503, 401, 400])
async def test_a_refused_request_is_sent_again_whole(elasticsearch, search, cluster, status):
    refusals = iter([status, None])
    told = []
    async with gate(elasticsearch, lambda _: next(refusals)) as url, AsyncElasticsearch(url) as es:
        flows = documents(cluster, record(dest_port=1), record(dest_port=2))
        written = await write(es, flows, on_retry=lambda *why: told.append(why))
    assert told == [(f"http_{status}", 2, f"it answers {status} (refused)")]
    assert written.rejects == []
    assert [hit["dest_port"] for hit in await found(search, cluster)] == [1, 2]


async def test_a_server_that_is_away_is_waited_for_and_cancelling_ends_it(cluster):
    waiting = asyncio.Event()
    async with AsyncElasticsearch("http://127.0.0.1:9") as nobody:
        flows = documents(cluster, record())
        writing = asyncio.create_task(write(nobody, flows, on_retry=lambda *_: waiting.set()))
        await waiting.wait()
        assert not writing.done()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing


ERRORS = [
    ("document_parsing_exception", "failed to parse", True),
    ("mapper_parsing_exception", "failed to parse", True),
    ("strict_dynamic_mapping_exception", "not allowed", True),
    ("illegal_argument_exception", "Document contains at least one immense term in field", True),
    ("illegal_argument_exception", "mapper [host] cannot be changed from type [keyword] to [long]", True),
    ("illegal_argument_exception", "pipeline with id [x] does not exist", False),
    ("validation_exception", "this action would add [2] shards", False),
    ("es_rejected_execution_exception", "queue full", False),
    ("cluster_block_exception", "index [x] blocked", False),
    ("index_not_found_exception", "no such index", False),
    ("unavailable_shards_exception", "primary shard is not active", False),
    ("circuit_breaking_exception", "data too large", False),
    ("something_new_exception", "who knows", False),
]


@pytest.mark.parametrize(
    ("kind", "reason", "reject"), ERRORS, ids=[f"{kind}: {why}"[:60] for kind, why, _ in ERRORS]
)
def test_only_what_is_a_documents_own_fault_is_a_reject(kind, reason, reject):
    assert is_reject({"type": kind, "reason": reason}) is reject


def test_a_bulk_body_is_two_lines_a_document():
    (each,) = documents("prod", record())
    action, body = bulk_body([each]).splitlines()
    assert json.loads(action) == {
        "index": {"_index": "flowtier_flows.prod.20231114", "_id": f"{TOPIC_ID}-0-0-0"}
    }
    assert body == each.body


def test_the_template_maps_every_field_that_is_searched_or_counted_and_no_other():
    properties = index_template()["template"]["mappings"]["properties"]
    assert list(properties) == [each.name for each in FIELDS if each.type]
    assert all(("index" in properties[each.name]) is not each.searched for each in FIELDS if each.type)
    assert len({each.name for each in FIELDS}) == len(FIELDS)
