"""The messages of topic flow-observations as the roll-ups read them."""

from typing import Annotated

import msgspec

from pipeline.observations import Count, ObservationError, ObservedWorkload, Time

__all__ = ["ObservationError", "Observations", "ObservedEdge", "ObservedRule", "ObservedWorkload"]

VERSION = 3


class ObservedEdge(msgspec.Struct, gc=False):
    """One edge, split by its outcome."""

    direction: str
    reporter: str
    workload: str
    workload_type: str
    peer: str
    peer_type: str
    peer_namespace: str
    interval: Time
    first: Time
    last: Time
    flows: Count
    started: Count
    bytes_in: Count
    bytes_out: Count
    packets_in: Count
    packets_out: Count
    enforced: str
    promoted: str
    impact: str
    logged: str | None = None
    peer_ip: str | None = None
    protocol: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    service: str | None = None
    service_namespace: str | None = None
    domains: tuple[str, ...] | None = None
    enforced_tier: str | None = None
    enforced_policy: str | None = None
    staged_deny: tuple[str, ...] = ()
    staged_allow: tuple[str, ...] = ()
    staged_unknown: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    threats: tuple[str, ...] = ()
    unjudged: str | None = None
    agrees: str | None = None


class ObservedRule(msgspec.Struct, gc=False):
    """What flows matched one rule of one policy."""

    interval: Time
    direction: str
    tier: str
    policy: str
    rule: int
    staged: bool
    flows: Count
    possible: Count
    connections: Count
    last: Time


class Observations(msgspec.Struct, gc=False):
    """One message."""

    v: int
    namespace: str
    revision: str
    workloads: list[ObservedWorkload]
    edges: list[ObservedEdge]
    rules: list[ObservedRule]


_OBSERVATIONS = msgspec.json.Decoder(Observations)


def read_observations(value: bytes | None) -> Observations:
    try:
        return _OBSERVATIONS.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ObservationError("unreadable", str(error)) from None
