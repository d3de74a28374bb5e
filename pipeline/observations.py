"""The messages of topic flow-observations as whoever learns from them, or rolls them up, reads them."""

from typing import Annotated, Literal

import msgspec

from pipeline.observe import HOUR_MS, VERSION


class ObservationError(ValueError):
    """A message that nothing can be learned from; `reason` is one of few words, for a counter."""

    def __init__(self, reason: Literal["version", "unreadable"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


# What the columns of a batch can hold.
type Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
type Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class ObservedEdge(msgspec.Struct, gc=False):
    """One edge, docs/schemas/flow-observations.v3.json."""

    interval: Time
    first: Time
    last: Time
    flows: Count
    connections: Count
    started: Count
    completed: Count
    bytes_in: Count
    bytes_out: Count
    packets_in: Count
    packets_out: Count
    example: str
    direction: str
    reporter: str
    workload: str
    workload_type: str
    peer: str
    peer_type: str
    peer_namespace: str
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
    own_host: bool | None = None
    enforced_tier: str | None = None
    enforced_policy: str | None = None
    staged_deny: tuple[str, ...] = ()
    staged_allow: tuple[str, ...] = ()
    staged_unknown: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unjudged: str | None = None
    agrees: str | None = None
    threats: tuple[str, ...] = ()

    @property
    def telling(self) -> tuple[object, ...]:
        """All that tells it from other edges but when it was seen."""
        return msgspec.structs.astuple(self)[_NUMBERS:]

    @property
    def hour(self) -> int:
        """Since the epoch: that in which its flows end."""
        return self.interval // HOUR_MS

    @property
    def answers(self) -> int:
        """Packets of the server, bytes where packets were not counted: 0 where nobody answered."""
        if self.packets_in or self.packets_out:
            return self.packets_in if self.direction == "egress" else self.packets_out
        return self.bytes_in if self.direction == "egress" else self.bytes_out

    @property
    def denied(self) -> bool:
        """Whether the node denied it; where it did not say, whether our verdict is that it does."""
        return (self.logged or self.enforced) == "deny"


_NUMBERS = ObservedEdge.__struct_fields__.index("direction")  # before it: when it was seen, and how much


class ObservedWorkload(msgspec.Struct, gc=False):
    """A workload or host endpoint that edges name, and the labels its endpoints have in common."""

    type: str
    namespace: str
    name: str
    labels: dict[str, str]


class ObservedRule(msgspec.Struct, gc=False):
    """How many flows matched one rule of a policy, whether it decided or not."""

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
    """One message: what a batch of flows taught about a namespace."""

    namespace: str
    revision: str
    workloads: list[ObservedWorkload]
    edges: list[ObservedEdge]
    rules: list[ObservedRule]


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
