"""Flows that keep coming, through whatever Kafka goes through."""

import itertools
from threading import Event, Thread
from typing import Any, Self

from confluent_kafka import KafkaError, Producer

from agents.kafka_log import LOG
from tests.agents.installation import Installation, flow, lines
from tests.waiting import until

MESSAGE = 20  # flows


def numbered(number: int) -> dict[str, Any]:
    """A flow that its bytes tell from every other one; they tell its connections too."""
    return flow(number, num_flows=connections(number))


def connections(number: int) -> int:
    return 1 + number % 7


class Sender:
    """Sends flows number 0, 1, 2 … from a thread, `pace` a second at most, and itself loses none:
    Kafka has each once, even where it is away for long.

        with Sender(installation, pace=2_000) as sender:
            …
            total = sender.finish(at_least=100_000)
    """

    def __init__(self, installation: Installation, pace: float) -> None:
        self._topic = installation.topics.flows.name
        self._producer = Producer(
            {
                "bootstrap.servers": installation.kafka,
                "enable.idempotence": True,
                "message.timeout.ms": 0,  # never given up
                "linger.ms": 20,
                "reconnect.backoff.max.ms": 1_000,
                "logger": LOG,
            }
        )
        self._wait = MESSAGE / pace
        self._numbers = itertools.count()
        self._sent = 0
        self._finishing, self._stopped = Event(), Event()
        self._at_least = 0
        self._lost: list[KafkaError] = []
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._finishing.set()
        self._thread.join()

    def finish(self, at_least: int) -> int:
        """How many flows Kafka has, once it has so many; from here on without a pace."""
        self._at_least = at_least
        self._finishing.set()
        self._thread.join()
        until(lambda: self._producer.flush(1) == 0, 120)
        assert not self._lost
        return self._sent

    def _run(self) -> None:
        while not self._stopped.is_set() and not (self._finishing.is_set() and self._sent >= self._at_least):
            value = lines([numbered(number) for number in itertools.islice(self._numbers, MESSAGE)])
            self._produce(value)
            self._sent += MESSAGE
            self._finishing.wait(self._wait)

    def _produce(self, value: bytes) -> None:
        while not self._stopped.is_set():
            try:
                self._producer.produce(self._topic, value, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error:
            self._lost.append(error)
