"""Facts as records of the Kafka topic `facts`: one key a fact, its lifetime in the value."""

from dataclasses import dataclass
from math import inf
from typing import Literal

import msgspec

from pipeline.addresses import network_of
from pipeline.facts import Facts, fact_key
from pipeline.policy.facts_resources import (
    EndpointSlice,
    Fact,
    HostEndpoint,
    Namespace,
    Pod,
    ServiceAccount,
)

KINDS: dict[str, type[Fact]] = {
    kind.__name__: kind for kind in (Namespace, ServiceAccount, Pod, HostEndpoint, EndpointSlice)
}


class FactError(ValueError):
    """A record of the facts topic that cannot be read, with the key and the reason."""


class _Record(msgspec.Struct):
    v: Literal[1]
    kind: str
    fact: msgspec.Raw
    since: float | None = None  # epoch seconds; None = ever
    until: float | None = None  # epoch seconds; None = it still is


@dataclass(frozen=True, slots=True)
class Told:
    """What a record tells: a fact and its lifetime in epoch seconds (-inf = ever, inf = still)."""

    fact: Fact
    since: float
    until: float


def encode(fact: Fact, since: float = -inf, until: float = inf) -> tuple[bytes, bytes]:
    """The record's key (`facts.fact_key`) and JSON value; a tombstone of the key ends the fact."""
    record = _Record(
        v=1,
        kind=type(fact).__name__,
        fact=msgspec.Raw(msgspec.json.encode(fact)),
        since=None if since == -inf else since,
        until=None if until == inf else until,
    )
    return fact_key(fact).encode(), msgspec.json.encode(record)


def decode(key: bytes | None, value: bytes | None) -> tuple[str, Told | None]:
    """The key, and what the record tells of it, None for a tombstone. Raises FactError."""
    name = (key or b"").decode(errors="replace")
    kind, *parts = name.split("/")
    if kind not in KINDS or len(parts) != (3 if kind == "Pod" else 2):
        raise FactError(f"{name!r} names no fact: Kind/namespace/name is expected, for a pod also /uid")
    if value is None:
        return name, None
    try:
        record = msgspec.json.decode(value, type=_Record)
        fact: Fact = msgspec.json.decode(record.fact, type=KINDS[kind])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FactError(f"{name}: {error}") from error
    if record.kind != kind or fact_key(fact) != name:
        raise FactError(f"{name}: the value tells of {record.kind} {fact_key(fact)}")
    if wrong := [address for address in _addresses(fact) if not network_of(address)]:
        raise FactError(f"{name}: {wrong[0]!r} is no IP address")
    since = -inf if record.since is None else record.since
    return name, Told(fact, since, inf if record.until is None else record.until)


def follow(facts: Facts, key: bytes | None, value: bytes | None, at: float) -> None:
    """Take a record over into the facts; `at` (epoch seconds, the record's own time) is when a
    tombstone ends its fact. Raises FactError and changes nothing then."""
    name, told = decode(key, value)
    if told is None:
        facts.remove(name, at)
    else:
        facts.remember(told.fact, told.since, told.until)


def _addresses(fact: Fact) -> tuple[str, ...]:
    match fact:
        case Pod():
            return fact.ips + fact.host_ips
        case HostEndpoint():
            return fact.ips
        case EndpointSlice():
            return fact.addresses
        case _:
            return ()
