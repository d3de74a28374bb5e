"""When a partition is paused for its rejects."""

import pytest

from agents.refusals import Refusals
from pipeline.flow import Message


def messages(partition: int, count: int) -> list[Message]:
    return [Message(b"", "topic", partition, offset, 0) for offset in range(count)]


CASES = [
    ("a bad deployment", 1_000, 1_000, [0]),
    ("a few bad messages", 1_000, 50, []),
    ("mostly bad, but some are good", 1_000, 890, []),
    ("too few to tell", 999, 999, []),
]


@pytest.mark.parametrize(("what", "count", "refused", "paused"), CASES)
def test_a_partition_is_paused_where_nearly_all_of_a_thousand_messages_are_refused(
    what, count, refused, paused
) -> None:
    refused_messages = {(0, offset) for offset in range(refused)}
    assert list(Refusals().add(messages(0, count), refused_messages)) == paused


def test_a_partition_is_told_from_its_neighbours() -> None:
    both = messages(0, 1_000) + messages(1, 1_000)
    assert list(Refusals().add(both, {(1, offset) for offset in range(1_000)})) == [1]


def test_what_was_long_ago_does_not_count_any_more() -> None:
    refusals = Refusals()
    assert list(refusals.add(messages(0, 5_000), set())) == []
    assert list(refusals.add(messages(0, 1_000), {(0, offset) for offset in range(1_000)})) == [0]
