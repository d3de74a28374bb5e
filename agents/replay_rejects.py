"""Sends rejects to the topic flows again, each once: it is closed in the transaction that sends it."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from agents.originals import CannotReplayError, Originals
from agents.rejects_topic import Listed, place, read_rejects, records
from agents.topics import Topics
from agents.transactions import Record, Transactions
from pipeline import kept_rejects
from pipeline.settings import Settings
from pipeline.user_error import UserError

_CHUNK_MESSAGES = 1_000
_CHUNK_BYTES = 4 * 2**20


class RejectsError(UserError):
    """Rejects that cannot be read or replayed; the message says why and what to do."""


@dataclass(slots=True)
class Replay:
    """What a replay did, or would do."""

    replayed: int = 0  # rejects
    left: list[tuple[Listed, str]] = field(default_factory=list)  # which cannot be replayed, and why


def replay(settings: Settings, wanted: Callable[[Listed], bool], *, dry_run: bool = False) -> Replay:
    """Send the open rejects that are wanted to the topic flows, with the headers of where they stood.

    One replay at a time: a second one shuts the first out before it looks what is open. So a reject is
    sent once until it is rejected again, whatever happens in between. Raises RejectsError.
    """
    done = Replay()
    try:
        transactions = Transactions(settings, f"{settings.topics.prefix}replay")
        if not dry_run:
            transactions.begin_alone()
        for chunk in _chunks(settings, wanted, done):
            if not dry_run:
                transactions.run(chunk.records)
            done.replayed += chunk.rejects
    except KafkaException as error:
        raise RejectsError(
            f"{done.replayed} rejects were replayed, then Kafka at {settings.kafka.bootstrap} said:"
            f" {error.args[0].str()}. Replay again: what was sent is not sent twice"
        ) from None
    return done


@dataclass(slots=True)
class _Chunk:
    """What goes in one transaction."""

    records: list[Record] = field(default_factory=list)
    size: int = 0
    rejects: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.records) >= _CHUNK_MESSAGES or self.size >= _CHUNK_BYTES


def _chunks(settings: Settings, wanted: Callable[[Listed], bool], done: Replay) -> Iterator[_Chunk]:
    """The topic is read twice, so that the values are never in memory together."""
    chunk, topics = _Chunk(), Topics(settings)
    with closing(Originals(settings)) as originals:
        for listed, value in _values(settings, wanted):
            try:
                found = originals.flows_of(listed.kept, value)
            except CannotReplayError as error:
                done.left.append((listed, str(error)))
                continue
            flows = [Record(topics.flows.name, None, flow, tuple(origin.headers())) for origin, flow in found]
            closed = kept_rejects.replayed_record(listed.kept.origin, int(time.time() * 1000))
            chunk.records += [*flows, Record(topics.rejects.name, *closed)]
            chunk.size += sum(len(flow) for _, flow in found)
            chunk.rejects += 1
            if chunk.is_full:
                yield chunk
                chunk = _Chunk()
    if chunk.rejects:
        yield chunk


def _values(settings: Settings, wanted: Callable[[Listed], bool]) -> Iterator[tuple[Listed, bytes]]:
    """The open rejects that are wanted, each with what was kept of it."""
    rejects = read_rejects(settings)
    to_send = {each.place: each for each in rejects if each.state == "open" and wanted(each)}
    if to_send:
        for message in records(settings):
            if listed := to_send.get(place(message)):
                yield listed, kept_rejects.value(message.value() or b"")
