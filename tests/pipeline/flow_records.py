"""A flow as Calico writes it, to be varied by tests, and messages that carry flows."""

import json
from typing import Any

from pipeline.flow import Message

TOPIC_ID = "q4PvkA7nSO2n5l3hZkT0Yw"
NOW = 1_700_000_300.0  # s: when RECORD's interval ends

RECORD: dict[str, Any] = {
    "start_time": 1_700_000_000,
    "end_time": 1_700_000_300,
    "source_ip": "10.0.0.1",
    "source_name": "web-6b687c8dcb-zn5s2",
    "source_name_aggr": "web-6b687c8dcb-*",
    "source_namespace": "shop",
    "source_port": 42106,
    "source_type": "wep",
    "source_labels": {"labels": ["app=web"]},
    "dest_ip": "10.0.0.2",
    "dest_name": "db-0",
    "dest_name_aggr": "db-*",
    "dest_namespace": "data",
    "dest_port": 5432,
    "dest_type": "wep",
    "dest_labels": {"labels": ["app=db"]},
    "dest_service_namespace": "data",
    "dest_service_name": "db",
    "dest_service_port": "pg",
    "dest_domains": None,
    "proto": "tcp",
    "action": "allow",
    "reporter": "dst",
    "policies": {"enforced_policies": ["0|default|np:data/db|allow|0"]},
    "bytes_in": 100,
    "bytes_out": 200,
    "num_flows": 3,
    "num_flows_started": 2,
    "num_flows_completed": 1,
    "packets_in": 10,
    "packets_out": 20,
    "host": "node-1",
}


def record(**changes: Any) -> bytes:
    """RECORD with some fields changed, as JSON; a field that is ... is left out."""
    return json.dumps(
        {name: value for name, value in (RECORD | changes).items() if value is not ...}
    ).encode()


def message(value: bytes | None, offset: int = 0, **fields: Any) -> Message:
    """A message at one offset of partition 0, produced when RECORD's interval ended."""
    return Message(value, TOPIC_ID, 0, offset, int(NOW * 1000), **fields)
