"""Answers commands what a cluster's servers hold: the policies in force, the facts, recorded flows."""

from collections.abc import Callable, Iterator
from functools import cached_property

from confluent_kafka import KafkaException
from confluent_kafka import Message as Record

from agents.reach import ReachError
from agents.reach_kafka import list_topics
from agents.recorded_flows import recorded_flow, recorded_flows
from agents.topics import Topic, Topics
from agents.whole_topic import WholeTopic, text
from pipeline import logs, revisions, settings
from pipeline.cli.sources import SourceError
from pipeline.facts import Facts
from pipeline.facts_records import FactError, follow
from pipeline.flow import Message
from pipeline.policy.load import Loaded, load_texts
from pipeline.revisions import RevisionError, Shelf
from pipeline.settings import Settings

_DAY = 86_400
_FIRST = "publish it first: flowtier publish DIR"


class TopicsInForce:
    """Reads when asked; a command that does not ask needs neither servers nor settings.

    Raises ReachError where Kafka cannot be read, SourceError where nothing whole was published.
    """

    @cached_property
    def _settings(self) -> Settings:
        loaded = settings.load()
        logs.configure(loaded.logs)
        return loaded

    def policies(self) -> Loaded:
        """The policies of the newest whole revision."""
        shelf = Shelf()
        self._read(Topics(self._settings).policies, lambda each: shelf.put(text(each.key()), each.value()))
        if not shelf.newest:
            raise SourceError(f"cluster: no revision is in force; {_FIRST}")
        record, resources = shelf.newest
        try:
            revision = revisions.decode(record)
            revisions.check_whole(revision, resources)
        except RevisionError as error:
            raise SourceError(f"cluster: {error}") from None
        return load_texts((f"cluster:{key}", value) for key, value in sorted(resources.items()))

    def facts(self) -> Facts:
        """Every fact with its lifetime, of the retention."""
        facts = Facts(self._settings.facts.retention_days * _DAY)
        self._read(Topics(self._settings).facts, lambda each: _learn(facts, each))
        return facts

    def document(self, document_id: str) -> bytes:
        """The recorded flow with this `_id`, as JSON."""
        return recorded_flow(self._settings, document_id)

    def flows(self, since: float, until: float, at_once: int) -> Iterator[list[Message]]:
        """The flows that ended in [since, until), epoch seconds, each a message; of so many parts at once."""
        return recorded_flows(self._settings, since, until, at_once)

    def _read(self, topic: Topic, put: Callable[[Record], None]) -> None:
        kafka = self._settings.kafka
        if topic.name not in list_topics(kafka):
            raise SourceError(f"cluster: Kafka at {kafka.bootstrap} has no topic {topic.name}; {_FIRST}")
        try:
            with WholeTopic(self._settings, topic.name) as whole:
                for message in whole.read_to_end():
                    put(message)
        except KafkaException as error:
            reason = error.args[0].str()
            raise ReachError(f"Kafka at {kafka.bootstrap}, topic {topic.name}: {reason}") from None


def _learn(facts: Facts, message: Record) -> None:
    try:
        follow(facts, message.key(), message.value(), message.timestamp()[1] / 1000)
    except FactError as error:
        raise SourceError(f"cluster: {error}") from None
