"""Messages that are no flows, through one real worker: a reject each, and their neighbours are documents."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from agents.rejects_topic import Listed, read_rejects
from pipeline.dead_letter import Origin
from tests.agents.installation import Installation, Worker, flow, lines
from tests.waiting import until

MIB = 2**20
TOO_LARGE = b"x" * (55 * MIB)

REJECTED = {
    "no value": (None, "a tombstone"),
    "nothing in it": (b"", "an empty message"),
    "bytes of any kind": (bytes(range(128, 256)), "not UTF-8"),
    "a value of two megabytes where there are three words": (
        lines([flow(1, action="a" * 2_000_000)]),
        "Invalid enum value",
    ),
    "a flow larger than any": (lines([flow(1, more="m" * 700_000)]), "too large"),
    "more lines than a message may have": (b"{}\n" * 60_000, "too many flows in one message"),
}


def produce(installation: Installation, value: bytes | None, **headers: bytes | None) -> None:
    """One message between two flows, on one partition."""
    options: dict[str, Any] = {"message.max.bytes": 60 * MIB, "compression.type": "none"}
    producer = Producer({"bootstrap.servers": installation.kafka, **options})
    topic = installation.topics.flows.name
    told: dict[str, str | bytes | None] = {name.replace("_", "-"): each for name, each in headers.items()}
    for each in (lines([flow(1)]), value, lines([flow(2)])):
        producer.produce(topic, each, partition=0, headers=told if each is value else {})
        assert producer.flush(60) == 0


def raise_limit(installation: Installation) -> None:
    """Have the flows topic take messages of 60 MB."""
    entry = ConfigEntry("max.message.bytes", str(60 * MIB), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, installation.topics.flows.name, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": installation.kafka})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(20)


@pytest.fixture(scope="module")
def worker(running) -> Worker:
    raise_limit(running)
    return running.workers[0]


def rejected(installation: Installation, reason: str) -> list[Listed]:
    return [each for each in read_rejects(installation.settings) if each.kept.reason.startswith(reason)]


def peak_memory(worker: Worker) -> int:
    """In bytes, since it began."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.parametrize("what", REJECTED)
def test_it_is_one_reject_and_its_neighbours_are_documents(running, worker, what) -> None:
    value, reason = REJECTED[what]
    before = running.documents()
    produce(running, value)
    running.wait_for_documents(before + 2)
    (reject,) = until(lambda: rejected(running, reason))
    assert reject.kept.size == (None if value is None else len(value))


def test_a_message_of_55_mb_is_a_reject_and_memory_stays_in_bounds(running, worker) -> None:
    before, memory = running.documents(), peak_memory(worker)
    for _ in range(3):
        produce(running, TOO_LARGE)
    running.wait_for_documents(before + 6, seconds=120)
    until(lambda: len(rejected(running, f"too large: {len(TOO_LARGE)} bytes in one message")) == 3)
    assert peak_memory(worker) < memory + 6 * len(TOO_LARGE)
    assert worker.health()["problems"] == {}


HEADERS: dict[str, dict[str, bytes | None]] = {
    "foreign": {"traceparent": b"00-1-1-1", "flowtier_note": b"hello"},
    "half of an origin": {"flowtier_topic_id": b"abc", "flowtier_partition": b"1"},
    "an origin that is none": {
        "flowtier_topic_id": b"../x",
        "flowtier_partition": b"-1",
        "flowtier_offset": b"\xff",
        "flowtier_timestamp": None,
    },
    "numbers beyond all": {
        "flowtier_topic_id": b"abc",
        "flowtier_partition": b"9" * 40,
        "flowtier_offset": b"1",
        "flowtier_timestamp": b"1",
    },
}


@pytest.mark.parametrize("what", HEADERS)
def test_headers_that_tell_no_origin_mean_nothing(running, worker, what) -> None:
    namespace = what.replace(" ", "-")
    produce(running, lines([flow(3, namespace)]), **HEADERS[what])
    running.wait_for_documents(1, namespace)
    (hit,) = running.search(namespace, 1)["hits"]["hits"]
    assert hit["_id"].rpartition("-")[2] == "0"
    assert not hit["_id"].startswith("abc")


def test_headers_that_tell_an_origin_give_the_document_its_id(running, worker) -> None:
    origin = Origin("some-other_topic", 7, 123_456_789_012_345_678, 1, 99_999)
    told = {name.replace("-", "_"): each for name, each in origin.headers()}
    for _ in range(2):
        produce(running, lines([flow(4, "told")]), **told)
    running.wait_for_documents(1, "told")
    (hit,) = running.search("told", 1)["hits"]["hits"]
    assert hit["_id"] == origin.document_id


def test_no_word_of_it_is_an_error_of_the_workers_own(running, worker) -> None:
    said = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    assert [each for each in said if each["level"] in ("error", "critical")] == []
    assert "flowtier_started_over_total 0.0" in worker.get("/metrics")
