"""The flow record and FlowBatch: the columns of a batch of flows and what they mean."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

type Ints = NDArray[np.int64]

REPORTERS = ("src", "dst", "fwd")
ACTIONS = ("allow", "deny")
MISSING = -1


@dataclass(frozen=True, slots=True)
class Message:
    """One Kafka message of the flows topic and where it stood; `timestamp` in ms since the epoch."""

    value: bytes | None
    topic_id: str
    partition: int
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Endpoint(NamedTuple):
    """What a record says of one side; "" where it says nothing ("-", null, absent)."""

    type: str  # wep hep ns net
    namespace: str
    name: str
    name_aggr: str
    ip: str
    labels: bytes | None  # the raw JSON of *_labels; None = absent or null


class Logged(NamedTuple):
    """What the node logged of its own verdict: `enforced` hits in order of index, newest grammar."""

    enforced: tuple[str, ...] | None  # None = no policies logged


@dataclass(slots=True)
class FlowBatch:
    """Flows as columns of one length n; `MISSING` (-1) where the record says nothing.

    Index columns (source, dest, logged, ...) point into the list of distinct values beside them.
    """

    raw: list[bytes]  # each flow's own JSON object, untouched
    ids: list[str]  # document id: topic id, partition, offset, row
    start: Ints  # ms since the epoch
    end: Ints  # ms since the epoch
    reporter: Ints  # index into REPORTERS
    action: Ints  # index into ACTIONS, or MISSING
    proto: Ints  # IANA protocol number, or MISSING
    source_port: Ints
    dest_port: Ints  # for ICMP: type << 8 | code
    source: Ints  # index into endpoints
    dest: Ints  # index into endpoints
    endpoints: list[Endpoint]
    host: Ints  # index into hosts: the node that logged the record
    hosts: list[str]
    service: Ints  # index into services
    services: list[tuple[str, str, str]]  # namespace, name, port name; "" where missing
    domain: Ints  # index into domains
    domains: list[tuple[str, ...] | None]  # dest_domains; None = not logged
    logged: Ints  # index into logs
    logs: list[Logged]
    bytes_in: Ints  # bytes and packets as the reporter's side sees them
    bytes_out: Ints
    packets_in: Ints
    packets_out: Ints
    num_flows: Ints
    num_flows_started: Ints
    num_flows_completed: Ints

    def __len__(self) -> int:
        return len(self.raw)
