"""Records of the dead-letter topic, read back: what was rejected, and what of it was replayed."""

from base64 import b64decode
from typing import Literal

import msgspec

from pipeline.dead_letter import Origin, Stage


class UnknownRecordError(ValueError):
    """A record of the topic that is none of ours."""


class _Place(msgspec.Struct, frozen=True):
    """An origin, as the records tell it."""

    topic_id: str
    partition: int
    offset: int
    timestamp: int
    row: int | None


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    v: Literal[1]
    place: _Place = msgspec.field(name="origin")

    @property
    def origin(self) -> Origin:
        """Where the flow or message stood first."""
        return Origin(*msgspec.structs.astuple(self.place))


class Kept(_Record, frozen=True, kw_only=True):
    """A reject without its value: `size` and `sha256` are of all of it (None: a tombstone), `whole` tells
    whether the record has it all."""

    stage: Stage
    reason: str
    size: int | None
    sha256: str
    whole: bool


class Replayed(_Record, frozen=True, kw_only=True):
    """A reject of that origin was sent to the topic flows again, at `replayed` (ms since the epoch)."""

    replayed: int


class _Value(msgspec.Struct):
    encoding: Literal["text", "base64"]
    value: str


_KEPT = msgspec.json.Decoder(Kept)
_REPLAYED = msgspec.json.Decoder(Replayed)
_VALUE = msgspec.json.Decoder(_Value)


def read(record: bytes | None) -> Kept | Replayed:
    """A record without the value. Raises UnknownRecordError."""
    try:
        return _KEPT.decode(record or b"")
    except (msgspec.MsgspecError, RecursionError) as no_reject:
        try:
            return _REPLAYED.decode(record or b"")
        except (msgspec.MsgspecError, RecursionError):
            raise UnknownRecordError(f"no record of a reject: {no_reject}") from None


def value(record: bytes) -> bytes:
    """What was kept of the value of a reject."""
    kept = _VALUE.decode(record)
    return kept.value.encode() if kept.encoding == "text" else b64decode(kept.value)


def replayed_record(origin: Origin, at: int) -> tuple[bytes, bytes]:
    """Key and value of the record that says so, `at` ms since the epoch."""
    body = {"v": 1, "origin": origin._asdict(), "replayed": at}
    return origin.key, msgspec.json.encode(body)
