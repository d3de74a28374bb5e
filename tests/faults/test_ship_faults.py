"""The node shipper under faults on the real Kafka: each line is there once, whatever was killed."""

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest
import stamina
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.agents.installation import Installation
from tests.agents.shipping import Following, Writing, numbered, shipped
from tests.waiting import until


@pytest.fixture
def follow(installation):
    following = Following(installation)
    yield following
    following.close()


@pytest.fixture
def writing(follow):
    """Something that writes to flows.log, and rotates it."""
    thread = Writing(follow.file)
    thread.start()
    yield thread
    thread.finish()


@stamina.retry(on=KafkaException, timeout=30)  # a new topic's broker does not know of it yet
def records(installation: Installation) -> int:
    """Records of the flows topic, committed or not."""
    options = {"group.id": "nobody", "isolation.level": "read_uncommitted"}
    reader = Consumer({"bootstrap.servers": installation.kafka, **options})
    topic = installation.topics.flows
    parts = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    ends = [reader.get_watermark_offsets(part, 20)[1] for part in parts]
    reader.close()
    return sum(ends)


def lives_on(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    assert process.poll() is None


def each_line_is_there_once(installation: Installation, count: int) -> None:
    expected = sorted(numbered(0, count).splitlines(keepends=True))
    until(lambda: len(shipped(installation)) >= count, 120)
    assert shipped(installation) == expected


def test_a_shipper_killed_again_and_again_while_its_file_is_rotated_ships_each_line_once(
    installation, follow, writing, kills
) -> None:
    chance = random.Random(11)
    for number in range(kills):
        process, before = follow(), records(installation)
        if number % 3:  # else at any moment of its start
            until(lambda: records(installation) > before, 60)  # noqa: B023
        lives_on(process, chance.uniform(0, 1))
        process.kill()
        process.wait()
    follow()
    rotations = writing.rotated
    until(lambda: writing.rotated > rotations, 60)
    each_line_is_there_once(installation, writing.finish())
    assert writing.rotated >= 3


def killed(stack) -> None:
    stack.servers["kafka"].kill()


def frozen(stack) -> None:
    os.killpg(stack.servers["kafka"].pid, signal.SIGSTOP)


def back(stack) -> None:
    kafka = stack.servers["kafka"]
    if kafka.is_alive():
        os.killpg(kafka.pid, signal.SIGCONT)
    else:
        kafka.start()


# Frozen for longer than a transaction may be open, so that Kafka ends it meanwhile.
@pytest.mark.parametrize(("away", "seconds"), [(killed, 5), (frozen, 20)])
def test_a_broker_that_was_away_has_each_line_once(
    stack, installation, follow, writing, full, away, seconds
) -> None:
    process = follow()
    until(lambda: records(installation) > 5, 60)
    away(stack)
    lives_on(process, 60 if full else seconds)
    back(stack)
    rotations, came_back = writing.rotated, time.monotonic()
    until(lambda: writing.rotated > rotations + 1, 60)
    each_line_is_there_once(installation, writing.finish())
    assert process.poll() is None
    assert time.monotonic() - came_back < 120
