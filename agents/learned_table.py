"""The Faust table of what was learned: RocksDB beside us, and a changelog in Kafka."""

from collections.abc import Iterator
from typing import Any

import faust
from faust.types import TP

from agents.recommend_app import RecommendApp
from agents.topics import Topics
from pipeline.settings import Settings

# Of each partition's database; RocksDB would take 64 MiB and up to 2 GiB. Values are read and written whole.
_OPTIONS = {
    "driver": "rocksdict",
    "write_buffer_size": 2**20,
    "max_write_buffer_number": 2,
    "target_file_size_base": 2**23,
    "block_cache_size": 2**20,
    "max_open_files": 32,
}


class LearnedTable(faust.Table[bytes, bytes]):
    """Keys and values are bytes, and each stands in the partition whose messages it is made of.

    Faust's own ways in and out ask which event is being worked on; a batch has many. So a value is told
    its partition, and whoever writes waits for Kafka's word that the changelog has it.
    """

    def read(self, partition: int, key: bytes) -> bytes | None:
        value: bytes | None = self._database(partition).get(key)
        return value

    async def write(self, partition: int, values: dict[bytes, bytes | None]) -> None:
        """Values of a partition, None = deleted; raises KafkaError where the changelog does not take them."""
        sent = []
        for key, value in values.items():
            if value is None:
                self._database(partition).delete(key)
            else:
                self._database(partition).put(key, value)
            topic = self.changelog_topic
            # Once it is there, Faust notes down in RocksDB how far that goes with the changelog.
            sent.append(
                await topic.send(key=key, value=value, partition=partition, callback=self._on_changelog_sent)
            )
        for each in sent:
            await each

    def values_of(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """All of a partition, as it was when asked, even if another thread writes meanwhile."""
        store: Any = self.data
        values: Iterator[tuple[bytes, bytes]] = store._visible_items(self._database(partition))  # noqa: SLF001
        return values

    def held(self) -> set[int]:
        """The partitions whose values are here; empty while they are recovered or change hands."""
        if self.app.rebalancing or not self.app.tables.actives_ready:
            return set()
        actives: set[TP] = self.app.assignor.assigned_actives()
        return {tp.partition for tp in actives if tp.topic == self.changelog_topic_name}

    def _database(self, partition: int) -> Any:
        store: Any = self.data
        return store._db_for_partition(partition)  # noqa: SLF001 - the public ways need a current event


def add_table(app: RecommendApp, settings: Settings) -> LearnedTable:
    """The table of an app that is not started yet."""
    raw: dict[str, Any] = {
        "key_type": bytes,
        "value_type": bytes,
        "key_serializer": "raw",
        "value_serializer": "raw",
    }
    learned = Topics(settings).learned
    changelog = app.topic(learned.name, **raw, partitions=learned.partitions, allow_empty=True, internal=True)
    table = LearnedTable(
        app,
        name="learned",
        key_type=bytes,
        value_type=bytes,
        partitions=learned.partitions,
        changelog_topic=changelog,
        options=dict(_OPTIONS),  # Faust takes things out of it
    )
    app.tables.add(table)
    return table
