"""What has arrived: documents in Elasticsearch, rejects in Kafka."""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from elasticsearch import Elasticsearch

from agents.topics import Topics
from pipeline.annotate import INDEX_PREFIX
from pipeline.settings import Settings

_PAGE = 5_000
_POLL_SECONDS = 0.05
_READ = 500  # messages of one poll


class Arrivals:
    """Flows as they come out at the far end, counted."""

    def __init__(self, settings: Settings) -> None:
        self._client = Elasticsearch(**settings.elasticsearch.client_options())
        self._index = f"{INDEX_PREFIX}.{settings.cluster}.*"
        self._consumer = Consumer(
            settings.kafka.confluent()
            | {"group.id": "demo", "isolation.level": "read_committed", "enable.auto.commit": False}
        )
        topic, partitions = Topics(settings).rejects.name, range(settings.topics.partitions)
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        self.rejects = 0

    def count(self) -> tuple[int, int]:
        """(documents, rejects) up to now."""
        self._client.indices.refresh(index=self._index)
        documents = self._client.count(index=self._index)["count"]
        messages = self._consumer.consume(_READ, _POLL_SECONDS)
        self.rejects += sum(message.error() is None for message in messages)
        return documents, self.rejects

    def documents(self) -> Iterator[dict[str, Any]]:
        """Every document as it is at this time."""
        point = self._client.open_point_in_time(index=self._index, keep_alive="1m")["id"]
        after: list[Any] | None = None
        while True:
            page = self._client.search(
                pit={"id": point, "keep_alive": "1m"},
                size=_PAGE,
                sort=["_shard_doc"],
                search_after=after,
                track_total_hits=False,
            )["hits"]["hits"]
            if not page:
                break
            yield from (hit["_source"] for hit in page)
            after = page[-1]["sort"]
        self._client.close_point_in_time(id=point)

    def close(self) -> None:
        self._consumer.close()
        self._client.close()
