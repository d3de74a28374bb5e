"""What has arrived: documents in Elasticsearch, rejects in Kafka."""

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

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
        self._documents = self._rejects = 0

    def count(self) -> tuple[int, int]:
        """(documents, rejects) up to now; as it was where Elasticsearch is too busy to say."""
        try:
            self._client.indices.refresh(index=self._index)
            self._documents = self._client.count(index=self._index)["count"]
        except (ApiError, TransportError):
            pass  # an index that is being created, a server that is behind: whoever waits asks again
        messages = self._consumer.consume(_READ, _POLL_SECONDS)
        self._rejects += sum(message.error() is None for message in messages)
        return self._documents, self._rejects

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
