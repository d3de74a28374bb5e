"""The flows topic as one worker sees it: batches out, and one transaction for what came of each."""

import uuid
from collections.abc import Iterable

from agents.group_topic import GroupTopic, Most, Taken
from agents.topics import Topics
from agents.transactions import Record, Transactions
from pipeline.settings import Settings

_WAIT = 0.2  # seconds that a batch which is not full waits for more


class FlowsTopic(GroupTopic):
    """Consumer and transactional producer of a worker; `take` and `idle` belong to one thread, `commit` to
    another. A worker that the group has given up cannot commit: the transaction carries its generation,
    which Kafka checks."""

    def __init__(self, settings: Settings) -> None:
        worker = settings.worker
        most = Most(worker.batch_flows, worker.batch_bytes, _WAIT)
        self._transactions = Transactions(settings, _writer_name(settings))
        super().__init__(settings, Topics(settings).flows.name, worker.group, most)

    def commit(self, taken: Taken, records: Iterable[Record]) -> bool:
        """Write the records and what was taken in one transaction; False where it was dropped."""
        return self._commit(taken, lambda offsets, group: self._transactions.run(records, offsets, group))


def _writer_name(settings: Settings) -> str:
    """A name that a restarted worker has again where it has one; else nobody's ever again."""
    return f"{settings.topics.prefix}{settings.worker.group}.{settings.worker.instance or uuid.uuid4().hex}"
