"""Flows without end: the sample cluster's again and again, with a rollout each time."""

import re
import threading
from collections import Counter
from itertools import batched, count, cycle
from pathlib import Path

from confluent_kafka import Producer

from agents.topics import Topics
from pipeline.settings import Settings

MESSAGE_FLOWS = 500
_ROLLOUT = re.compile(rb"pod-template-hash=([a-z0-9]{10})")
SUMMED = ("num_flows", "bytes_in", "bytes_out")


class Load:
    """Produces in a thread of its own until it is stopped, at most `ahead` flows more than `done` says.

    A pass over the flow log stands for a day: one Deployment has been rolled out since the pass before,
    to pods that the facts do not know.
    """

    def __init__(self, settings: Settings, flow_log: Path, ahead: int) -> None:
        self.flows = 0
        self.done = 0
        self.sums: Counter[str] = Counter()
        self._ahead = ahead
        self._topic = Topics(settings).flows.name
        self._producer = Producer(
            settings.kafka.confluent() | {"enable.idempotence": True, "compression.type": "lz4"}
        )
        lines = flow_log.read_bytes().splitlines()
        self._messages = [
            (b"\n".join(each), len(each), _sums(each)) for each in batched(lines, MESSAGE_FLOWS)
        ]
        self._rollouts = sorted(set(_ROLLOUT.findall(b"".join(lines))))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once everything is in Kafka."""
        self._stop.set()
        self._thread.join()

    def _produce(self) -> None:
        for number, rollout in zip(count(), cycle(self._rollouts)):
            new = b"%010d" % number
            for value, flows, sums in self._messages:
                while self.flows - self.done > self._ahead and not self._stop.is_set():
                    self._producer.poll(0.1)
                if self._stop.is_set():
                    assert self._producer.flush(60) == 0
                    return
                self._send(value.replace(rollout, new))
                self.flows += flows
                self.sums.update(sums)

    def _send(self, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return


def _sums(lines: tuple[bytes, ...]) -> dict[str, int]:
    text = b"\n".join(lines)
    return {name: sum(map(int, re.findall(rb'"%b":(\d+)' % name.encode(), text))) for name in SUMMED}
