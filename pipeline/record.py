"""The fields of a flow log record that the library reads, checked as they are decoded (CALICO.md §6)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Raw

from pipeline import goldmane

type Missing = Literal["-", "*", ""]
type Port = Annotated[int, msgspec.Meta(ge=-1, le=65535)] | Missing | None  # -1: aggregated, as Go says it
type Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None
type Time = int | float | str | None  # seconds since the epoch, or RFC 3339
type Kind = Literal["wep", "hep", "ns", "net", "-", ""] | None

ABSENT = Raw()


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
    # Keys that the document adds; a record that brings its own loses them.
    timestamp: Raw = msgspec.field(default=ABSENT, name="@timestamp")
    cluster: Raw = ABSENT
    verdict: Raw = ABSENT


_RECORD = msgspec.json.Decoder(Record)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ENCODER = msgspec.json.Encoder()
_ADDED = ("@timestamp", "cluster", "verdict")


def read_all(lines: list[bytes]) -> list[Record] | None:
    """The flows of many lines at once; None where one of them needs a closer look by `read`."""
    try:
        records = list(map(_RECORD.decode, lines))
    except (ValueError, RecursionError):
        return None
    return records if all(map(bytes.isascii, lines)) and not any(map(_brings_added, records)) else None


def _brings_added(record: Record) -> bool:
    return not (record.timestamp is record.cluster is record.verdict is ABSENT)


def read(line: bytes) -> tuple[bytes, Record]:
    """One flow from its JSON, and that JSON: without the keys that the document adds, and under
    Calico's names if it is Goldmane's or Whisker's. Raises RecordError."""
    try:
        line.decode()
        record = _RECORD.decode(line)
        return _without_added(line) if _brings_added(record) else line, record
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
    """The flow without the keys that the document adds: Elasticsearch refuses duplicate keys."""
    fields = _OBJECT.decode(line)
    for name in _ADDED:
        fields.pop(name, None)
    return _ENCODER.encode(fields)
