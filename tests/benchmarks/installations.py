"""Installations that benchmarks run on: the servers of a test run, and topics that nobody else has."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import Producer

from tests import servers
from tests.agents.installation import Installation


@contextmanager
def installed() -> Iterator[Installation]:
    """An installation with its topics; servers that the environment does not name are started and stopped."""
    servers.control()
    try:
        with TemporaryDirectory(prefix="flowtier-benchmark-") as folder:
            kafka, search = servers.address("kafka"), servers.address("elasticsearch")
            installation = Installation(kafka, search, f"bench{uuid.uuid4().hex[:8]}", Path(folder))
            installation.create_topics()
            try:
                yield installation
            finally:
                installation.close()
    finally:
        servers.stop(str(os.getpid()))


def produce(installation: Installation, lines: Sequence[bytes], each: int, times: int) -> int:
    """Write the lines so many times, `each` in a message, in batches packed with zstd; how many flows."""
    producer = Producer({
        "bootstrap.servers": installation.kafka,
        "compression.type": "zstd",
        "linger.ms": 50,
        "batch.size": 900_000,
    })  # fmt: skip
    topic = installation.topics.flows.name
    for _ in range(times):
        for at in range(0, len(lines), each):
            producer.produce(topic, b"\n".join(lines[at : at + each]), partition=at // each % 4)
            if at // each % 100 == 0:
                while len(producer) > 50_000:
                    producer.poll(0.1)
                producer.poll(0)
        producer.flush()
    return times * len(lines)
