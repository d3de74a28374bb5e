"""The flows topic as one worker sees it, on the real Kafka."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from agents.flows_topic import FlowsTopic
from agents.group_topic import Taken
from tests.agents.installation import Installation
from tests.waiting import until

ALL = [0, 1, 2, 3]


@pytest.fixture
def join(installation) -> Iterator[Callable[[], FlowsTopic]]:
    """Members of the group, as many as are asked for."""
    members: list[FlowsTopic] = []

    def join() -> FlowsTopic:
        members.append(FlowsTopic(installation.settings))
        return members[-1]

    yield join
    for member in members:
        member.close()


def taken(topic: FlowsTopic, count: int) -> list[Taken]:
    """Batches of `count` messages together."""
    batches: list[Taken] = []

    def enough() -> bool:
        if batch := topic.take():
            batches.append(batch)
        return sum(len(batch.messages) for batch in batches) >= count

    until(enough)
    return batches


def produce(installation: Installation, count: int) -> None:
    installation.produce([b"{}"] * count, partition=0)
    installation.produce([b"{}"] * count, partition=1)


def test_what_was_not_committed_is_taken_again_and_what_was_is_not(installation, join) -> None:
    produce(installation, 5)
    first = join()
    (batch, *_) = taken(first, 10)
    assert first.commit(batch, [])
    first.close()
    second = join()
    produce(installation, 1)
    again = taken(second, 12 - len(batch.messages))
    assert sum(len(each.messages) for each in again) == 12 - len(batch.messages)


def test_a_batch_from_before_a_rebalance_cannot_be_committed(installation, join) -> None:
    produce(installation, 5)
    first = join()
    batches = taken(first, 10)
    second = join()
    until(lambda: all(map(idled, (first, second))) and len(first.assigned) == len(second.assigned) == 2)
    assert not any(first.commit(batch, []) for batch in batches)
    assert sum(len(batch.messages) for batch in taken(first, 5) + taken(second, 5)) == 10


def idled(topic: FlowsTopic) -> bool:
    """Tell the group that a member still lives."""
    topic.idle()
    return True


def test_partitions_taken_away_while_nothing_was_taken_are_read_when_they_come_back(
    installation, join
) -> None:
    first = join()
    until(lambda: first.take() or first.assigned == ALL)
    second = join()
    until(lambda: all(map(idled, (first, second))) and first.assigned == [])
    until(lambda: (first.take(), idled(second)) and len(first.assigned) == len(second.assigned) == 2)
    for partition in first.assigned:
        installation.produce([b"{}"] * 5, partition=partition)
    assert sum(len(batch.messages) for batch in taken(first, 10)) == 10


def test_a_topic_made_anew_has_other_ids_and_is_read_from_its_beginning(installation, join) -> None:
    produce(installation, 3)
    topic = join()
    old = taken(topic, 6)
    assert all(topic.commit(batch, []) for batch in old)
    admin = AdminClient({"bootstrap.servers": installation.kafka})
    name = installation.topics.flows.name
    admin.delete_topics([name])[name].result(20)
    until(lambda: name not in admin.list_topics(timeout=10).topics)
    installation.create_topics()
    produce(installation, 2)
    new = taken(topic, 4)
    assert sum(len(batch.messages) for batch in new) == 4
    ids = [{message.topic_id for batch in batches for message in batch.messages} for batches in (old, new)]
    assert len(ids[0]) == len(ids[1]) == 1
    assert ids[0] != ids[1]


def test_messages_deleted_before_they_were_taken_are_one_reject_and_none_is_taken_twice(
    installation, join
) -> None:
    installation.produce([b"{}"] * 10, partition=0)
    first = join()
    (batch, *_) = taken(first, 10)
    assert first.commit(replace(batch, until={0: 2}), [])
    first.close()
    admin = AdminClient({"bootstrap.servers": installation.kafka})
    place = TopicPartition(installation.topics.flows.name, 0, 5)
    admin.delete_records([place])[place].result(20)
    batches = taken(join(), 5)
    assert [message.offset for each in batches for message in each.messages] == [5, 6, 7, 8, 9]
    (reject,) = [reject for each in batches for reject in each.unreadable]
    assert (reject.stage, reject.origin.partition, reject.origin.offset) == ("read", 0, 2)
    assert "the messages at offsets 2 to 4 " in reject.reason
