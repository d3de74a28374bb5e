"""Prints what was rejected and why, and what was replayed: consume_rejects.py BOOTSTRAP TOPIC [HOW MANY]."""

import json
import sys

from confluent_kafka import Consumer


def main(bootstrap: str, topic: str, most: str = "1000000000") -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reads-rejects",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",  # a batch that was given up never counts
        }
    )
    consumer.subscribe([topic])
    for _ in range(int(most)):
        while (message := consumer.poll(1.0)) is None or message.error():
            pass
        key, record = message.key() or b"", json.loads(message.value() or b"{}")
        replayed = "replayed" in record  # the reject with the same origin was sent again
        what = "replayed" if replayed else f"{record['stage']}: {record['reason']}"
        print(key.decode(), record["origin"]["row"], what, flush=True)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
