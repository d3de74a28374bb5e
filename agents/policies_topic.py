"""Topic `policies`, read in full."""

from confluent_kafka import KafkaException

from agents.reach import ReachError
from agents.reach_kafka import list_topics
from agents.topics import Topics
from agents.whole_topic import WholeTopic, text
from pipeline.revisions import Shelf
from pipeline.settings import Settings


def read_shelf(settings: Settings) -> Shelf:
    """What the topic holds now. Raises KafkaException."""
    shelf = Shelf()
    with WholeTopic(settings, Topics(settings).policies.name) as topic:
        for message in topic.read_to_end():
            shelf.put(text(message.key()), message.value())
    return shelf


def newest_record(settings: Settings) -> bytes | None:
    """The revision record that came last; None where nothing was published. Raises ReachError."""
    name = Topics(settings).policies.name
    if name not in list_topics(settings.kafka):
        return None
    try:
        newest = read_shelf(settings).newest
    except KafkaException as error:
        reason = error.args[0].str()
        raise ReachError(f"Kafka at {settings.kafka.bootstrap}, topic {name}: {reason}") from None
    return (newest[0] or b"") if newest else None
