"""Writes facts to their topic as they are told, many in one transaction."""

import asyncio
import time
from math import inf

import structlog
from confluent_kafka import KafkaError, KafkaException

from agents import topics
from agents.publish import PublishError
from agents.publish_facts import fact_record, read_known
from agents.topics import Topics
from agents.transactions import Record, Transactions
from pipeline.facts import fact_key
from pipeline.facts_records import Told
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_AT_ONCE = 5_000  # records
_RETRY_SECONDS = 2.0
_DAY = 86_400.0
_LOOK_SECONDS = 3_600.0
_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)  # noqa: SLF001 - its only name


class TellFacts:
    """The one writer of a cluster's facts from its API: `tell` what is new, `run` writes it.

    It shuts out the writer before it, and ends by PublishError where it is shut out itself.
    """

    def __init__(self, settings: Settings, source: str) -> None:
        self._settings = settings
        self._source = source
        self._topic = Topics(settings).facts.name
        self._transactions = Transactions(settings, f"{settings.topics.prefix}publish-facts")
        self._waiting: asyncio.Queue[Record] = asyncio.Queue()
        self._retention = settings.facts.retention_days * _DAY
        self._ended: dict[str, float] = {}  # facts on the topic that have ended, and when
        self._looked = 0.0
        self.told = 0

    async def start(self) -> list[Told]:
        """Takes over; what this source told before. Raises PublishError, ReachError, TopicError."""
        try:
            return await asyncio.to_thread(self._start)
        except KafkaException as error:
            raise PublishError(self._reason(error)) from None

    async def tell(self, facts: list[Told]) -> None:
        """Takes facts to be written, and at times the removal of those that ended before the retention: the
        topic keeps the last record of each key for ever."""
        for told in facts:
            self._note(told)
            self._waiting.put_nowait(fact_record(self._topic, told, self._source))
        if facts and time.time() > self._looked + _LOOK_SECONDS:
            self._looked = time.time()
            for key in [key for key, until in self._ended.items() if until < self._looked - self._retention]:
                del self._ended[key]
                self._waiting.put_nowait(Record(self._topic, key.encode(), None))

    def _note(self, told: Told) -> None:
        if told.until == inf:
            self._ended.pop(fact_key(told.fact), None)
        else:
            self._ended[fact_key(told.fact)] = told.until

    async def flush(self) -> None:
        """Writes what was told so far. Raises PublishError."""
        while not self._waiting.empty():
            records = [self._waiting.get_nowait() for _ in range(min(self._waiting.qsize(), _AT_ONCE))]
            try:
                await asyncio.to_thread(self._transactions.run, records)
            except KafkaException as error:
                raise PublishError(self._reason(error)) from None
            self.told += len(records)

    async def run(self) -> None:
        """Writes what is told, without end, through whatever Kafka does."""
        while True:
            records = [await self._waiting.get()]
            while not self._waiting.empty() and len(records) < _AT_ONCE:
                records.append(self._waiting.get_nowait())
            await self._write(records)

    async def _write(self, records: list[Record]) -> None:
        while True:
            try:
                await asyncio.to_thread(self._transactions.run, records)
            except KafkaException as error:
                if error.args[0].code() in _FENCED:
                    reason = "another publisher writes the facts of this cluster now: only one can"
                    raise PublishError(reason) from None
                log.warning("facts are not written yet: tried again", reason=self._reason(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self.told += len(records)
                return

    def _start(self) -> list[Told]:
        topics.create(self._settings)
        self._transactions.begin_alone()
        known = read_known(self._settings).values()
        ours = [each.told for each in known if each.source == self._source.encode()]
        for told in ours:
            self._note(told)
        return ours

    def _reason(self, error: KafkaException) -> str:
        return f"Kafka at {self._settings.kafka.bootstrap}: {error.args[0].str()}"
