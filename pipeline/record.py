"""The fields of a flow log record that the library reads, checked as they are decoded (CALICO.md §6)."""

from collections.abc import Iterator
from typing import Annotated, Literal, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from pipeline import goldmane
from pipeline.flow import FIELDS

type Missing = Literal["-", "*", ""]
type Port = Annotated[int, msgspec.Meta(ge=-1, le=65535)] | Missing | None  # -1: aggregated, as Go says it
type Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None
type Time = int | float | str | None  # seconds since the epoch, or RFC 3339
type Kind = Literal["wep", "hep", "ns", "net", "-", ""] | None

ABSENT = Raw()


def _parents(name: str) -> Iterator[str]:
    """A dotted name, and what it is in."""
    while "." in name:
        yield name
        name = name.rpartition(".")[0]


class RecordError(ValueError):
    """A flow that is not as Calico writes it; says what is wrong and where."""


class Record(msgspec.Struct, gc=False, kw_only=True):
    """One flow. Labels and policies stay raw: they are read once per distinct value.

    The fields stand in the order in which Calico writes them, in which they are found fastest.
    """

    start_time: Time = None
    end_time: Time = None
    source_ip: str | None = None
    source_name: str | None = None
    source_name_aggr: str | None = None
    source_namespace: str | None = None
    source_port: Port = None
    source_type: Kind = None
    source_labels: Raw = ABSENT
    dest_ip: str | None = None
    dest_name: str | None = None
    dest_name_aggr: str | None = None
    dest_namespace: str | None = None
    dest_port: Port = None
    dest_type: Kind = None
    dest_labels: Raw = ABSENT
    dest_service_namespace: str | None = None
    dest_service_name: str | None = None
    dest_service_port: str | int | None = None
    dest_domains: tuple[str, ...] | None = None
    proto: str | int | None = None
    action: Literal["allow", "deny", "pass", "-", ""] | None = None
    reporter: Literal["src", "dst", "fwd", "src, fwd", "dst, fwd"]
    policies: Raw = ABSENT
    bytes_in: Count = None
    bytes_out: Count = None
    num_flows: Count = None
    num_flows_started: Count = None
    num_flows_completed: Count = None
    packets_in: Count = None
    packets_out: Count = None
    host: str | None = None


_ADDED = ("@timestamp", "cluster", "verdict")
# The keys that the document adds, as the index knows them: Elasticsearch reads "verdict.impact" as
# {"verdict": {"impact": …}}, and would keep what a record says of it beside what we say.
_TAKEN = {
    *_ADDED,
    *(part for field in FIELDS if field.name.startswith("verdict.") for part in _parents(field.name)),
}
_NONE_TAKEN = [
    (f"taken_{number}", UnsetType, msgspec.field(default=UNSET, name=name))
    for number, name in enumerate(sorted(_TAKEN))
]
# A record that brings none of them.
CLEAN_RECORD = cast("type[Record]", msgspec.defstruct("Clean", _NONE_TAKEN, bases=(Record,), gc=False))


_RECORD = msgspec.json.Decoder(Record)
_CLEAN = msgspec.json.Decoder(CLEAN_RECORD)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ENCODER = msgspec.json.Encoder()


def read_all(lines: list[bytes]) -> list[Record] | None:
    """The flows of many lines at once; None where one of them needs a closer look by `read`."""
    try:
        records = list(map(_CLEAN.decode, lines))
    except (ValueError, RecursionError):
        return None
    return records if all(map(bytes.isascii, lines)) else None


def read(line: bytes) -> tuple[bytes, Record]:
    """One flow from its JSON, and that JSON: without the keys that the document adds, and under
    Calico's names if it is Goldmane's or Whisker's. Raises RecordError."""
    try:
        line.decode()
        record = _RECORD.decode(line)
        return _without_added(line), record
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise RecordError("nested too deep") from None
    except msgspec.ValidationError as error:
        return _read_renamed(line, str(error))
    except msgspec.DecodeError as error:
        raise RecordError(f"not JSON: {error}") from None


def _read_renamed(line: bytes, why_not_calico: str) -> tuple[bytes, Record]:
    try:
        rewritten = goldmane.rewrite(line)
    except msgspec.MsgspecError as error:
        raise RecordError(f"neither Calico's, Goldmane's nor Whisker's: {error}") from None
    except RecursionError:
        raise RecordError("nested too deep") from None
    if rewritten is None:
        raise RecordError(why_not_calico)
    return read(rewritten)


def _without_added(line: bytes) -> bytes:
    """The flow without the keys that the document adds; as it is written where it has none of them."""
    fields = _OBJECT.decode(line)
    kept = {name: value for name, value in fields.items() if name.partition(".")[0] not in _ADDED}
    return line if len(kept) == len(fields) else _ENCODER.encode(kept)
