"""Writes what a person decided on a recommendation to topic recommendation-decisions."""

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from agents.kafka_log import LOG
from agents.known_recommendations import RecommendationsError
from agents.topics import Topics
from pipeline.recommend.recommendation import Decision
from pipeline.settings import Settings

_SECONDS = 15.0


def decide(settings: Settings, name: str, decision: Decision | None) -> None:
    """Make that the decision on the recommendation, None takes back what was decided; returns once Kafka
    has it. Raises RecommendationsError."""
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error:
            refused.append(error)

    limits = {"enable.idempotence": True, "message.timeout.ms": int(_SECONDS * 1000)}
    producer = Producer(settings.kafka.confluent() | limits, logger=LOG)
    value = msgspec.json.encode(decision) if decision else None
    try:
        producer.produce(Topics(settings).decisions.name, value, name, on_delivery=delivered)
        left = producer.flush(_SECONDS)
    except KafkaException as error:
        refused.append(error.args[0])
    if refused or left:
        reason = refused[0].str() if refused else f"it took nothing within {_SECONDS:.0f} s"
        raise RecommendationsError(f"nothing was decided: Kafka at {settings.kafka.bootstrap}: {reason}")
