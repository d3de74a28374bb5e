"""Topics on the real Kafka."""

import pytest
from confluent_kafka.admin import AdminClient

from agents import topics
from agents.topics import TopicError


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
