"""Batches that nobody can read: each is one reject, and the partition goes on behind it."""

import json
import shutil
from collections.abc import Iterator
from itertools import count

import pytest
from confluent_kafka import Producer

from agents.topics import Topics
from deploy.local.child import Child
from deploy.local.fetch import fetch
from deploy.local.kafka import kafka as kafka_server
from deploy.local.place import give, local
from tests.agents.installation import ALLOW_ALL, Installation, flow, lines
from tests.faults.damage import damage, flip, flip_and_sign, unknown_codec
from tests.waiting import until

FLOWS = 20  # of each batch, one a message; a slow machine may make two of one
BATCHES = 6
DAMAGED = [1, 3, 4]  # with good ones before, between and behind them
CASES = [
    *(("flipped", codec, flip) for codec in ("none", "gzip", "snappy", "lz4", "zstd")),
    *(("flipped, right CRC", codec, flip_and_sign) for codec in ("gzip", "snappy", "lz4")),
    ("unknown codec", "zstd", unknown_codec),
]  # a partition each


@pytest.fixture
def server(unique) -> Iterator[Child]:
    """A Kafka of this test's own."""
    folder = give(local() / unique) / "kafka"
    server = kafka_server(folder, fetch(local()))
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder.parent)


@pytest.fixture
def installation(server, elasticsearch, unique, tmp_path) -> Iterator[Installation]:
    options = {"FLOWTIER_TOPICS_PARTITIONS": str(len(CASES))}
    installed = Installation(server.address, elasticsearch, unique, tmp_path, options)
    installed.create_topics()
    installed.publish(ALLOW_ALL)
    yield installed
    installed.close()


def test_unreadable_batches_are_rejects_and_all_others_become_documents(server, installation) -> None:
    numbers = count()
    for partition, (_, codec, _) in enumerate(CASES):
        for _ in range(BATCHES):
            produce(installation, partition, codec, [next(numbers) for _ in range(FLOWS)])
    server.stop()
    damaged: dict[tuple[int, int], range] = {}  # by partition and first offset
    for partition, (_, _, how) in enumerate(CASES):
        log = f"{Topics(installation.settings).flows.name}-{partition}/00000000000000000000.log"
        held = damage(server.folder / "data" / log, DAMAGED, how)
        damaged |= {(partition, offsets[0]): offsets for offsets in held}
    server.start()

    worker = installation.start_worker()
    until(worker.ready)
    until(lambda: worker.health()["lag"] == 0, 120)

    good = next(numbers) - sum(map(len, damaged.values()))
    until(lambda: installation.observed()["shop"] >= good)
    assert installation.documents() == installation.observed()["shop"] == good
    rejects = [json.loads(each.value()) for each in installation.records(installation.topics.rejects.name)]
    places = [(each["origin"]["partition"], each["origin"]["offset"]) for each in rejects]
    assert sorted(places) == sorted(damaged)
    for place, each in zip(places, rejects, strict=True):
        assert (each["stage"], each["size"], each["value"]) == ("read", None, "")
        assert f"the messages at offsets {damaged[place][0]} to {damaged[place][-1]} " in each["reason"]
    counted = 'flowtier_rejects_total{reason="cannot be read",stage="read"}'
    assert f"{counted} {len(damaged)}.0" in worker.get("/metrics")


def produce(installation: Installation, partition: int, codec: str, numbers: list[int]) -> None:
    """One batch on one partition."""
    options = {"compression.type": codec, "linger.ms": 5_000, "batch.num.messages": FLOWS}
    producer = Producer({"bootstrap.servers": installation.kafka, **options})
    for number in numbers:
        producer.produce(installation.topics.flows.name, lines([flow(number)]), partition=partition)
    assert producer.flush(20) == 0
