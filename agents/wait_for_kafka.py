"""Waiting for a Kafka that went away before a worker had begun."""

import asyncio
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaException

from agents.health import Health

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0


async def wait_for_kafka[T](health: Health, bootstrap: str, make: Callable[[], T]) -> T:
    """What `make`, run in a thread, gives once Kafka answers; Health tells as long as it does not."""
    while True:
        try:
            made = await asyncio.to_thread(make)
        except KafkaException as error:
            problem = f"Kafka at {bootstrap} is waited for: {error.args[0].str()}"
            log.warning(problem)
            health.tell("kafka", problem)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            health.tell("kafka", None)
            return made
