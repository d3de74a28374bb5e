"""A topic as whoever indexes it sees it: batches out, offsets once they are written."""

from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from agents.group_topic import GroupTopic, Taken


class IndexedTopic(GroupTopic):
    """A consumer in a group of its own; all of it belongs to one thread."""

    def commit(self, taken: Taken) -> bool:
        """Commit what was taken; False where it is dropped, and will be taken again."""
        return self._commit(taken, self._write)

    def _write(self, offsets: list[TopicPartition], _: Any) -> None:
        for part in self._consumer.commit(offsets=offsets, asynchronous=False) or ():
            if part.error:
                raise KafkaException(part.error)
