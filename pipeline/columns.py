"""Decoded records as columns: each distinct endpoint, service, domain list and policy trace once."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import chain
from operator import attrgetter

import msgspec
import numpy as np

from pipeline.flow import ACTIONS, MISSING, REPORTERS, Bools, Endpoint, FlowBatch, Ints, Logged
from pipeline.match.trace import HitError, normalise, parse_hit, render
from pipeline.policy.policies import ENFORCED_KINDS
from pipeline.record import Record

NO_TIME = -2  # a time that cannot be read
NO_PROTOCOL = -2  # a protocol name that nobody knows
_YEAR_10000 = 253_402_300_800_000  # ms: index names have four digits for the year

_NOTHING = frozenset(("-", "*", "", None))  # "-" unknown, "*" several: both leave it open
_PROTOCOL_NAMES: dict[str | int | None, int] = {
    "icmp": 1, "tcp": 6, "udp": 17, "ipip": 4, "esp": 50, "icmp6": 58, "icmpv6": 58, "sctp": 132,
    "udplite": 136,
}  # fmt: skip
_PROTOCOLS: dict[str | int | None, int] = {
    **dict.fromkeys(_NOTHING, MISSING),
    **{number: number for number in range(256)},
    **{str(number): number for number in range(256)},
    **_PROTOCOL_NAMES,
    **{str(name).upper(): number for name, number in _PROTOCOL_NAMES.items()},
}
_REPORTERS = {**{name: i for i, name in enumerate(REPORTERS)}, "src, fwd": 0, "dst, fwd": 1}
_ACTIONS = {name: i for i, name in enumerate(ACTIONS)}
_ICMP, _PORTED = 1, (MISSING, 6, 17, 58, 132)  # protocols where port 0 is no port, but aggregated away

_ENDPOINT = "{0}_type {0}_namespace {0}_name {0}_name_aggr {0}_ip"
_SOURCE = attrgetter(*_ENDPOINT.format("source").split())
_DEST = attrgetter(*_ENDPOINT.format("dest").split())
_SOURCE_LABELS, _DEST_LABELS = attrgetter("source_labels"), attrgetter("dest_labels")
_LOGGED = attrgetter("policies")
_COUNTERS = (
    *("bytes_in", "bytes_out", "packets_in", "packets_out"),
    *("num_flows", "num_flows_started", "num_flows_completed"),
)
_COUNTS = attrgetter(*_COUNTERS)


class _Policies(msgspec.Struct, gc=False):
    enforced_policies: list[str] | None = None
    all_policies: list[str] | None = None


_POLICIES = msgspec.json.Decoder(_Policies | None)


def fill(raw: list[bytes], ids: list[str], records: Sequence[Record], received: Ints) -> FlowBatch:
    """The batch of `records`; `received` (n,): Kafka's timestamps in ms, for records without times."""
    source, dest, endpoints = _endpoints(records)
    n = len(records)
    host, hosts = _intern((_text(record.host) for record in records), n)
    service, services = _intern(map(_service, records), n)
    domain, domains = _intern((_domains(record.dest_domains) for record in records), n)
    logged, logs = _intern(map(bytes, map(_LOGGED, records)), n)
    start, end, timed = _times(records, received)
    proto = _column((_PROTOCOLS.get(record.proto, NO_PROTOCOL) for record in records), n)
    counts = _counts(records)
    return FlowBatch(
        raw=raw,
        ids=ids,
        start=start,
        end=end,
        timed=timed,
        reporter=_column((_REPORTERS[record.reporter] for record in records), n),
        action=_column((_ACTIONS.get(record.action or "", MISSING) for record in records), n),
        proto=proto,
        source_port=_ports([record.source_port for record in records], proto),
        dest_port=_ports([record.dest_port for record in records], proto),
        source=source,
        dest=dest,
        endpoints=endpoints,
        host=host,
        hosts=hosts,
        service=service,
        services=services,
        domain=domain,
        domains=domains,
        logged=logged,
        logs=[_logged(policies) for policies in logs],
        **dict(zip(_COUNTERS, counts, strict=True)),
    )


def _column(values: Iterable[int], n: int) -> Ints:
    return np.fromiter(values, np.int64, n)


def _counts(records: Sequence[Record]) -> Ints:
    """The counters as rows of (counters, n)."""
    values = chain.from_iterable(map(_COUNTS, records))
    flat = np.fromiter((value or 0 for value in values), np.int64, len(records) * len(_COUNTERS))
    return np.ascontiguousarray(flat.reshape(len(records), len(_COUNTERS)).T)


def _service(record: Record) -> tuple[str, str, str]:
    return (
        _text(record.dest_service_namespace),
        _text(record.dest_service_name),
        _text(record.dest_service_port),
    )


class _Interner[K: Hashable](dict[K, int]):
    """Numbers values in the order in which they are first seen."""

    def __missing__(self, value: K) -> int:
        self[value] = number = len(self)
        return number


def _intern[K: Hashable](values: Iterable[K], n: int) -> tuple[Ints, list[K]]:
    table = _Interner[K]()
    return np.fromiter(map(table.__getitem__, values), np.int64, n), list(table)


def _endpoints(records: Sequence[Record]) -> tuple[Ints, Ints, list[Endpoint]]:
    sides = chain(
        zip(map(_SOURCE, records), map(bytes, map(_SOURCE_LABELS, records)), strict=True),
        zip(map(_DEST, records), map(bytes, map(_DEST_LABELS, records)), strict=True),
    )
    index, written = _intern(sides, 2 * len(records))
    # Two ways to write nothing are one endpoint.
    same, endpoints = _intern([_endpoint(*side) for side in written], len(written))
    source, dest = same[index].reshape(2, -1)
    return source, dest, endpoints


def _endpoint(names: tuple[str | None, ...], labels: bytes) -> Endpoint:
    kind, namespace, name, name_aggr, ip = map(_text, names)
    return Endpoint(kind, namespace, name, name_aggr, ip, None if labels in (b"", b"null") else labels)


def _text(value: str | int | None) -> str:
    return "" if value in _NOTHING else str(value)


def _domains(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(name for name in names if name not in _NOTHING)


def _ports(ports: list[str | int | None], proto: Ints) -> Ints:
    column = np.fromiter((port if type(port) is int else MISSING for port in ports), np.int64, len(ports))
    column[(column == 0) & np.isin(proto, _PORTED)] = MISSING
    return column


def _times(records: Sequence[Record], received: Ints) -> tuple[Ints, Ints, Bools]:
    n = len(records)
    start = np.fromiter((_ms(record.start_time) for record in records), np.int64, n)
    end = np.fromiter((_ms(record.end_time) for record in records), np.int64, n)
    no_start, no_end = start == MISSING, end == MISSING
    start = np.where(no_start, end, start)
    end = np.where(no_end, start, end)
    timed = ~(no_start & no_end)
    return np.where(timed, start, received), np.where(timed, end, received), timed


@lru_cache(maxsize=1 << 12)
def _ms(time: float | str | None) -> int:
    """Milliseconds since the epoch; NO_TIME where it cannot be read."""
    if time is None or time in _NOTHING:
        return MISSING
    try:
        seconds = datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time
        ms = round(seconds * 1000)
    except (ValueError, OverflowError):
        return NO_TIME
    return ms if 0 <= ms < _YEAR_10000 else NO_TIME


@lru_cache(maxsize=1 << 12)
def _logged(policies: bytes) -> Logged:
    """The node's trace of what it enforced; none where it is not there or cannot be read."""
    try:
        said = _POLICIES.decode(policies)
        if said.enforced_policies is not None:
            return Logged(normalise(said.enforced_policies))
        if said.all_policies is not None:
            return Logged(_enforced(said.all_policies))
    except (HitError, msgspec.MsgspecError, RecursionError):
        pass
    return Logged(None)


def _enforced(hits: list[str]) -> tuple[str, ...]:
    """The enforced among all hits, numbered anew (CALICO.md §5.3)."""
    enforced = [hit for hit in sorted(map(parse_hit, hits)) if hit.kind not in ENFORCED_KINDS]
    return render(replace(hit, index=i) for i, hit in enumerate(enforced))
