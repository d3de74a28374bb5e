"""Topics on the real Kafka."""

import pytest
from confluent_kafka import Uuid
from confluent_kafka.admin import AdminClient

from agents import topics
from agents.topics import TopicError, in_kafkas_words
from pipeline.dead_letter import Origin
from pipeline.flow import Message


def test_topics_are_created_as_they_have_to_be_and_once(installation) -> None:
    installation.create_topics()
    admin = AdminClient({"bootstrap.servers": installation.kafka})
    there = admin.list_topics(timeout=10).topics
    wanted = {topic.name: topic.partitions for topic in installation.topics}
    assert {name: len(there[name].partitions) for name in wanted} == wanted
    assert wanted[f"{installation.name}.policies"] == 1
    assert wanted[f"{installation.name}.flows"] == 4


def test_topics_with_other_partitions_are_one_clear_sentence_each(installation) -> None:
    installation.options["FLOWTIER_TOPICS_PARTITIONS"] = "5"
    with pytest.raises(TopicError, match="flows has 4 partitions, not 5: set FLOWTIER_TOPICS_PARTITIONS"):
        topics.create(installation.settings)


def test_a_topics_id_is_written_as_kafka_writes_it_and_as_the_headers_of_a_reject_may_tell_it() -> None:
    for bits, written in ((-1, "_____________________w"), (-0x0410410410410411, "----------8AAAAAAAAAAA")):
        topic_id = in_kafkas_words(Uuid(bits, -1 if bits == -1 else 0))
        assert topic_id == written
        origin = Origin(topic_id, 1, 2, 3, None)
        assert Origin.of(Message(b"", "other", 0, 0, 0, tuple(origin.headers()))) == origin
