"""Sends flow logs to the topic flows: produce_flows.py BOOTSTRAP TOPIC FILE (one flow a line)."""

import sys
from itertools import batched
from pathlib import Path

from confluent_kafka import KafkaError, Producer


def main(bootstrap: str, topic: str, file: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": "zstd", "acks": "all"})
    failed: list[str] = []

    def delivered(error: KafkaError | None, _message: object) -> None:
        if error:
            failed.append(str(error))

    lines = Path(file).read_bytes().splitlines()
    for flows in batched(lines, 500):
        producer.produce(topic, b"\n".join(flows), on_delivery=delivered)
        producer.poll(0)
    producer.flush()
    if failed:
        sys.exit(f"{len(failed)} messages were not delivered: {failed[0]}")
    print(f"{len(lines)} flows sent")


if __name__ == "__main__":
    main(*sys.argv[1:])
