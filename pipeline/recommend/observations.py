"""The messages of topic flow-observations as whoever learns from them reads them."""

from typing import Annotated, Literal

import msgspec

from pipeline.observe import VERSION


class ObservationError(ValueError):
    """A message that nothing can be learned from; `reason` is one of few words, for a counter."""

    def __init__(self, reason: Literal["version", "unreadable"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


# What the columns of a batch can hold.
type Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
type Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class ObservedEdge(msgspec.Struct, gc=False):
    """One edge, docs/schemas/flow-observations.v2.json, as far as it teaches something."""

    direction: str
    workload: str
    workload_type: str
    peer: str
    peer_type: str
    peer_namespace: str
    hour: Time
    first: Time
    last: Time
    flows: Count
    connections: Count
    started: Count
    bytes_in: Count
    bytes_out: Count
    packets_in: Count
    packets_out: Count
    logged: dict[str, int]
    enforced: dict[str, int]
    example: str
    peer_ip: str | None = None
    protocol: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    service: str | None = None
    service_namespace: str | None = None
    domains: tuple[str, ...] | None = None
    own_host: bool | None = None

    @property
    def answers(self) -> int:
        """Packets of the server, bytes where packets were not counted: 0 where nobody answered."""
        if self.packets_in or self.packets_out:
            return self.packets_in if self.direction == "egress" else self.packets_out
        return self.bytes_in if self.direction == "egress" else self.bytes_out

    @property
    def denied(self) -> bool:
        """Whether the node denied it; where it did not say, whether our verdict is that it does."""
        return bool(self.logged.get("deny") or (not self.logged and self.enforced.get("deny")))


class ObservedWorkload(msgspec.Struct, gc=False):
    """A workload or host endpoint that edges name, and the labels its endpoints have in common."""

    type: str
    namespace: str
    name: str
    labels: dict[str, str]


class Observations(msgspec.Struct, gc=False):
    """One message: what a batch of flows taught about a namespace."""

    namespace: str
    workloads: list[ObservedWorkload]
    edges: list[ObservedEdge]


class _Version(msgspec.Struct, gc=False):
    v: int


_VERSION = msgspec.json.Decoder(_Version)
_OBSERVATIONS = msgspec.json.Decoder(Observations)


def read_observations(value: bytes | None) -> Observations:
    """The message's content; ObservationError where it is none, or of a version that we do not know."""
    try:
        version = _VERSION.decode(value or b"").v
        if version != VERSION:
            raise ObservationError("version", f"version {version}; this program reads version {VERSION}")
        return _OBSERVATIONS.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ObservationError("unreadable", str(error)) from None
