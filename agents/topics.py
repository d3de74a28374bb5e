"""The topics: their names, and how they are created."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection, Uuid
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.kafka_log import LOG
from agents.reach_kafka import list_topics
from pipeline.settings import Settings
from pipeline.user_error import UserError

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_TIMEOUT = 10.0
_POLL_SECONDS = 0.05


class TopicError(UserError):
    """Topics that cannot be used as they are; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it has to be; `compacted` keeps the last value of each key for ever."""

    name: str
    partitions: int
    retention_days: int | None = None  # None: compacted

    @property
    def config(self) -> dict[str, str]:
        if self.retention_days is not None:
            return {"cleanup.policy": "delete", "retention.ms": str(self.retention_days * _DAY_MS)}
        # Only closed segments are compacted: small ones keep what a reader in full has to read small.
        return {"cleanup.policy": "compact", "segment.ms": str(_HOUR_MS), "segment.bytes": str(16 * 2**20)}


class Topics:
    """The topics of one installation, by what they hold; names carry the settings' prefix."""

    def __init__(self, settings: Settings) -> None:
        shared, prefix = settings.topics.partitions, settings.topics.prefix
        self.flows = Topic(prefix + "flows", shared, settings.flows.retention_days)
        self.observations = Topic(
            prefix + "flow-observations", shared, settings.topics.observations_retention_days
        )
        self.rejects = Topic(prefix + "flows-rejected", shared, settings.topics.rejects_retention_days)
        # One partition: one publish of a revision stands in one order for every reader.
        self.policies = Topic(prefix + "policies", 1)
        self.facts = Topic(prefix + "facts", 1)
        self.workers = Topic(prefix + "workers", 1)
        self.shipper_places = Topic(prefix + "shipper-places", 1)
        self.recommendations = Topic(prefix + "policy-recommendations", shared)
        self.decisions = Topic(prefix + "recommendation-decisions", 1)
        # The changelog of a group's table: each of its partitions stands beside one of the observations.
        self.learned = Topic(f"{prefix}{settings.worker.group}-recommend-learned", shared)

    def __iter__(self) -> Iterator[Topic]:
        yield from vars(self).values()


def topic_id(admin: AdminClient, name: str) -> str:
    """Kafka's own id of a topic, as Kafka writes it. Raises KafkaException."""
    described = admin.describe_topics(TopicCollection([name]), request_timeout=_TIMEOUT)
    return in_kafkas_words(described[name].result().topic_id)


def in_kafkas_words(topic_id: Uuid) -> str:
    # The client writes base64 with + and /, which neither Kafka nor the headers of a reject know.
    return str(topic_id).replace("+", "-").replace("/", "_")


def create(settings: Settings) -> None:
    """Create the topics that are not there yet; those that are stay as they are.

    Raises ReachError where Kafka does not answer or refuses us, TopicError where a topic cannot be made or
    has another number of partitions.
    """
    topics, there = list(Topics(settings)), list_topics(settings.kafka)
    wrong = [
        f"topic {topic.name} has {len(there[topic.name].partitions)} partitions, not {topic.partitions}: set"
        " FLOWTIER_TOPICS_PARTITIONS to what it has, or choose another FLOWTIER_TOPICS_PREFIX"
        for topic in topics
        if topic.name in there and len(there[topic.name].partitions) != topic.partitions
    ]
    if wrong:
        raise TopicError("\n".join(wrong))
    _create(settings, [topic for topic in topics if topic.name not in there])


def _create(settings: Settings, topics: list[Topic]) -> None:
    if not topics:
        return
    admin, copies = AdminClient(settings.kafka.confluent(), logger=LOG), settings.topics.replication_factor
    new = [NewTopic(topic.name, topic.partitions, copies, config=topic.config) for topic in topics]
    for name, done in admin.create_topics(new, operation_timeout=_TIMEOUT).items():
        try:
            done.result(_TIMEOUT)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise TopicError(
                    f"topic {name}: we may neither see it nor create it: allow user"
                    f" {settings.kafka.sasl_username} to Describe or to Create it"
                ) from None
            if code != KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
                raise TopicError(f"topic {name} cannot be created: {error.args[0].str()}") from None
    _wait_until_there(settings, {topic.name for topic in topics})


def _wait_until_there(settings: Settings, names: set[str]) -> None:
    """A topic that was created is not known to every broker at once."""
    deadline = time.monotonic() + _TIMEOUT
    while missing := names - list_topics(settings.kafka).keys():
        if time.monotonic() > deadline:
            raise TopicError(f"topics {', '.join(sorted(missing))} were created and are not there: try again")
        time.sleep(_POLL_SECONDS)
