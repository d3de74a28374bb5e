"""Rejects become documents, each once whatever happens meanwhile, and replays do not."""

from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from elasticsearch import Elasticsearch

from agents.replay_rejects import replay
from tests.agents.installation import ALLOW_ALL, Installation, Worker
from tests.waiting import until

LINES = 40
SECRET = b"s3cr3t"


@pytest.fixture
def rejecting(installation: Installation) -> Installation:
    installation.publish(ALLOW_ALL)
    return installation


def produce(installation: Installation, count: int = LINES) -> None:
    installation.produce([b"\n".join([SECRET] * 10)] * (count // 10))


def indexed(installation: Installation) -> dict[str, dict[str, Any]]:
    index = f"flowtier_rejects.{installation.name}.*"
    with Elasticsearch(installation.elasticsearch, retry_on_status=[503], max_retries=100) as client:
        client.indices.refresh(index=index)
        found = client.search(index=index, size=10_000, ignore_unavailable=True)
    return {each["_id"]: each["_source"] for each in found["hits"]["hits"]}


def documents(worker: Worker, outcome: str) -> float:
    return worker.metric("flowtier_rejects_documents_total", outcome=outcome) if worker.address else 0


def test_a_reject_is_a_document_that_says_where_it_stood_and_why_and_not_what_it_was(rejecting) -> None:
    rejecting.start_worker()
    rejecting.produce([SECRET + b"\n" + SECRET], partition=2)
    until(lambda: len(indexed(rejecting)) == 2, 60)
    found = indexed(rejecting)
    assert SECRET.decode() not in str(found)
    first = min(found.values(), key=lambda each: each["origin"])
    assert first.keys() == {
        *("@timestamp", "cluster", "stage", "kind", "reason", "origin"),
        *("topic_id", "partition", "offset", "row", "size", "sha256"),
    }
    told = {name: first[name] for name in ("cluster", "stage", "partition", "offset", "row", "size")}
    assert told == {
        "cluster": rejecting.name,
        "stage": "decode",
        "partition": 2,
        "offset": 0,
        "row": 0,
        "size": len(SECRET),
    }
    assert first["reason"].startswith(first["kind"])


def test_rejects_that_are_read_again_change_nothing(rejecting) -> None:
    worker = rejecting.start_worker()
    produce(rejecting)
    until(lambda: documents(worker, "written") == LINES, 60)
    before = indexed(rejecting)
    assert len(before) == LINES
    worker.stop()
    start_over(rejecting)
    worker = rejecting.start_worker()
    until(lambda: documents(worker, "stale") == LINES, 60)
    assert documents(worker, "written") == 0
    assert indexed(rejecting) == before


def start_over(installation: Installation) -> None:
    """Have all of the topic be read again."""
    admin = AdminClient({"bootstrap.servers": installation.kafka})
    group, topic = f"{installation.name}.flowtier-rejects", installation.topics.rejects.name
    parts = admin.list_topics(topic, timeout=10).topics[topic].partitions
    anew = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, each, 0) for each in parts])
    admin.alter_consumer_group_offsets([anew])[group].result(20)


def test_none_is_lost_or_doubled_where_a_worker_is_killed(rejecting) -> None:
    worker = rejecting.start_worker()
    until(worker.ready, 60)
    produce(rejecting, 400)
    until(lambda: indexed(rejecting), 60)
    worker.kill()
    rejecting.start_worker()
    until(lambda: len(indexed(rejecting)) >= 400, 90)
    found = indexed(rejecting)
    assert len(found) == len({each["origin"] for each in found.values()}) == 400


def test_a_replay_is_no_reject_and_what_is_rejected_again_has_the_same_origin(rejecting) -> None:
    worker = rejecting.start_worker()
    produce(rejecting)
    until(lambda: documents(worker, "written") == LINES, 60)
    origins = {each["origin"] for each in indexed(rejecting).values()}
    worker.stop()
    assert replay(rejecting.settings, lambda _: True).replayed == LINES
    worker = rejecting.start_worker()  # that rejects them again
    until(lambda: documents(worker, "written") == LINES, 60)
    found = indexed(rejecting)
    assert len(found) == 2 * LINES
    assert {each["origin"] for each in found.values()} == origins
