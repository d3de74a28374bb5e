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


class Record(msgspec.Struct, gc=False):
    """One flow. Labels and policies stay raw: they are read once per distinct value."""

    reporter: Literal["src", "dst", "fwd", "src, fwd", "dst, fwd"]
    action: Literal["allow", "deny", "pass", "-", ""] | None = None
    proto: str | int | None = None
    start_time: Time = None
    end_time: Time = None
    host: str | None = None
    source_type: Kind = None
    source_namespace: str | None = None
    source_name: str | None = None
    source_name_aggr: str | None = None
    source_ip: str | None = None
    source_port: Port = None
    source_labels: Raw = ABSENT
    dest_type: Kind = None
    dest_namespace: str | None = None
    dest_name: str | None = None
    dest_name_aggr: str | None = None
    dest_ip: str | None = None
    dest_port: Port = None
    dest_labels: Raw = ABSENT
    dest_service_namespace: str | None = None
    dest_service_name: str | None = None
    dest_service_port: str | int | None = None
    dest_domains: list[str] | None = None
    bytes_in: Count = None
    bytes_out: Count = None
    packets_in: Count = None
    packets_out: Count = None
    num_flows: Count = None
    num_flows_started: Count = None
    num_flows_completed: Count = None
    policies: Raw = ABSENT
    # Keys that the document adds; a record that brings its own loses them.
    timestamp: Raw = msgspec.field(default=ABSENT, name="@timestamp")
    cluster: Raw = ABSENT
    verdict: Raw = ABSENT


_RECORD = msgspec.json.Decoder(Record)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ENCODER = msgspec.json.Encoder()
_ADDED = ("@timestamp", "cluster", "verdict")


def read(line: bytes) -> tuple[bytes, Record]:
    """One flow from its JSON, and that JSON; Goldmane's and Whisker's rewritten under Calico's names.

    Raises RecordError.
    """
    try:
        line.isascii() or line.decode()
        return line, _RECORD.decode(line)
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


def own_json(line: bytes) -> bytes:
    """The flow without the keys that the document adds: Elasticsearch refuses duplicate keys."""
    fields = _OBJECT.decode(line)
    for name in _ADDED:
        fields.pop(name, None)
    return _ENCODER.encode(fields)
