"""Topic flow-observations as whoever rolls it up sees it: batches out, offsets once they are written."""

from typing import Any

from confluent_kafka import KafkaException, TopicPartition

from agents.group_topic import GroupTopic, Most, Taken
from agents.topics import Topics
from pipeline.settings import Settings

_MOST_BYTES = 4 * 2**20


class ObservationsTopic(GroupTopic):
    """A consumer in a group of its own; all of it belongs to one thread."""

    def __init__(self, settings: Settings) -> None:
        most = Most(settings.edges.batch_messages, _MOST_BYTES, settings.edges.batch_seconds)
        group = f"{settings.worker.group}-edges"
        super().__init__(settings, Topics(settings).observations.name, group, most)

    def commit(self, taken: Taken) -> bool:
        """Commit what was taken; False where it is dropped, and will be taken again."""
        return self._commit(taken, self._write)

    def _write(self, offsets: list[TopicPartition], _: Any) -> None:
        for part in self._consumer.commit(offsets=offsets, asynchronous=False) or ():
            if part.error:
                raise KafkaException(part.error)
