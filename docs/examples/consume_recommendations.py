"""Prints the manifests of stable recommendations, and what is withdrawn, one JSON object a line, fit for
kubectl: consume_recommendations.py BOOTSTRAP TOPIC [HOW MANY]."""

import json
import sys

from confluent_kafka import Consumer


def main(bootstrap: str, topic: str, most: str = "1000000000") -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reads-recommendations",
            "auto.offset.reset": "earliest",  # the topic is compacted: what stands on it is what there is
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    for _ in range(int(most)):
        while (message := consumer.poll(1.0)) is None or message.error():
            pass
        key, value = (message.key() or b"").decode(), message.value()
        if value is None:
            print(json.dumps({"withdrawn": key}), flush=True)
            continue
        recommendation = json.loads(value)
        if recommendation["v"] == 1 and recommendation["status"]["word"] == "Stable":
            print(json.dumps(recommendation["manifest"]), flush=True)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
