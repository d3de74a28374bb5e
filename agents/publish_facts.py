"""The facts of a directory as records: what is new or changed, and what has ended since."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import cast

import structlog

from agents.topics import Topics
from agents.transactions import Record
from agents.whole_topic import WholeTopic
from pipeline import facts_records
from pipeline.facts import fact_key
from pipeline.facts_records import FactError, Told
from pipeline.policy.facts_resources import Fact, Pod
from pipeline.policy.load import Loaded
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_SOURCE = "flowtier-source"  # header: who published a fact; nobody else ends it


@dataclass(frozen=True, slots=True)
class Known:
    """A fact as the topic has it, and who published it."""

    told: Told
    source: bytes | None


def changed_facts(settings: Settings, loaded: Loaded, source: str, now: float) -> Iterator[Record]:
    """The records to be written at `now` (epoch seconds).

    A fact that this source published before and that is not there any more ends now: it is kept, not
    removed, since late flows are judged by what was. Facts of other sources are left alone.
    """
    topic, known = Topics(settings).facts.name, read_known(settings)
    found = {fact_key(each.plain): each.plain for each in loaded.facts}
    for key, fact in found.items():
        before, until = known.get(key), _deleted(fact)
        if before is None or (before.told.fact, before.told.until) != (fact, until):
            since = _created(fact) if before is None else now
            yield fact_record(topic, Told(fact, since, until), source)
    for key, before in known.items():
        if key not in found and before.source == source.encode() and before.told.until == inf:
            yield fact_record(topic, Told(before.told.fact, before.told.since, now), source)


def fact_record(topic: str, told: Told, source: str) -> Record:
    """The record of a fact that a source tells."""
    header = ((_SOURCE, source.encode()),)
    return Record(topic, *facts_records.encode(told.fact, told.since, told.until), header)


def read_known(settings: Settings) -> dict[str, Known]:
    """The facts on the topic by their key. Raises KafkaException."""
    known: dict[str, Known] = {}
    with WholeTopic(settings, Topics(settings).facts.name) as topic:
        for message in topic.read_to_end():
            try:
                key, told = facts_records.decode(cast("bytes", message.key()), message.value())
            except FactError as error:
                log.warning("a fact on the topic cannot be read", reason=str(error))
                continue
            if told is None:
                known.pop(key, None)
            else:
                headers = cast("list[tuple[str, bytes]]", message.headers() or [])
                known[key] = Known(told, dict(headers).get(_SOURCE))
    return known


def _created(fact: Fact) -> float:
    return fact.created if isinstance(fact, Pod) and fact.created is not None else -inf


def _deleted(fact: Fact) -> float:
    return fact.deleted if isinstance(fact, Pod) and fact.deleted is not None else inf
