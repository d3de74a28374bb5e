"""Decoded records as columns: each distinct endpoint, service, domain list and policy trace once."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

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
_PORT_ZERO_IS_NONE = (MISSING, 6, 17, 58, 132)  # of ICMP it is a type and code; these aggregated it away

_SOURCE = attrgetter("source_type", "source_namespace", "source_name", "source_name_aggr", "source_ip")
_DEST = attrgetter("dest_type", "dest_namespace", "dest_name", "dest_name_aggr", "dest_ip")
_SOURCE_LABELS, _DEST_LABELS = attrgetter("source_labels"), attrgetter("dest_labels")
_POLICIES = attrgetter("policies")
_COMMON = attrgetter(  # what takes few values in one batch, and so is looked at together
    *("reporter", "action", "proto", "host", "dest_domains"),
    *("dest_service_namespace", "dest_service_name", "dest_service_port"),
)
_VALUES = tuple(map(attrgetter, ("start_time", "end_time", "source_port", "dest_port")))
_COUNTERS = (
    *("bytes_in", "bytes_out", "packets_in", "packets_out"),
    *("num_flows", "num_flows_started", "num_flows_completed"),
)
_COUNTS = tuple(map(attrgetter, _COUNTERS))


class _Policies(msgspec.Struct, gc=False):
    enforced_policies: list[str] | None = None
    all_policies: list[str] | None = None


_LOGGED = msgspec.json.Decoder(_Policies | None)


class _Numbers[K: Hashable](dict[K, int]):
    """Numbers values in the order in which they are first seen."""

    def __missing__(self, value: K) -> int:
        self[value] = number = len(self)
        return number

    def of(self, values: Iterable[K]) -> list[int]:
        return list(map(self.__getitem__, values))


class Columns:
    """Takes records in parts, small enough to stay in the processor's cache, and makes one batch."""

    def __init__(self) -> None:
        self._sides: _Numbers[tuple[tuple[str | None, ...], bytes]] = _Numbers()
        self._common: _Numbers[tuple[Any, ...]] = _Numbers()
        self._policies: _Numbers[bytes] = _Numbers()
        self._values: _Numbers[float | str | None] = _Numbers()  # times and ports as written
        self._parts: list[Ints] = []  # each (columns, n)

    def add(self, records: Sequence[Record]) -> None:
        """Append `records` as the next rows."""
        sides, values, common = self._sides, self._values, self._common
        rows = [
            sides.of(zip(map(_SOURCE, records), map(bytes, map(_SOURCE_LABELS, records)), strict=True)),
            sides.of(zip(map(_DEST, records), map(bytes, map(_DEST_LABELS, records)), strict=True)),
            common.of(map(_COMMON, records)),
            self._policies.of(map(bytes, map(_POLICIES, records))),
            *(values.of(map(value, records)) for value in _VALUES),
            *(list(map(count, records)) for count in _COUNTS),
        ]
        self._parts.append(_integers(rows))

    def batch(self, raw: list[bytes], ids: list[str], received: Ints) -> FlowBatch:
        """The batch of all records added; `received` (n,): Kafka's timestamps in ms, which records
        without times take."""
        self.add(())  # so that there is a part
        columns = np.concatenate(self._parts, axis=1)
        source, dest, common, logged, start, end, source_port, dest_port, *counts = columns
        same, endpoints = _distinct(map(_endpoint, self._sides))
        logs_of, logs = _distinct(map(_logged, self._policies))
        ms, ports = _translate(self._values, _ms), _translate(self._values, _port)
        start, end, timed = _times(ms[start], ms[end], received)
        batch = FlowBatch(
            raw=raw,
            ids=ids,
            start=start,
            end=end,
            timed=timed,
            source_port=ports[source_port],
            dest_port=ports[dest_port],
            source=same[source],
            dest=same[dest],
            endpoints=endpoints,
            logged=logs_of[logged],
            logs=logs,
            **_common(list(self._common), common),
            **dict(zip(_COUNTERS, counts, strict=True)),
        )
        for port in (batch.source_port, batch.dest_port):
            port[(port == 0) & np.isin(batch.proto, _PORT_ZERO_IS_NONE)] = MISSING
        return batch


def _endpoint(said: tuple[tuple[str | None, ...], bytes]) -> Endpoint:
    names, labels = said
    kind, namespace, name, name_aggr, ip = map(_text, names)
    return Endpoint(kind, namespace, name, name_aggr, ip, None if labels in (b"", b"null") else labels)


def _common(values: Sequence[tuple[Any, ...]], of_flow: Ints) -> dict[str, Any]:
    """The columns, and the lists that they point into, of the fields in `_COMMON`."""
    reporter, action, proto, host, domains, *service = zip(*values, strict=True) if values else [()] * 8
    hosts_of, hosts = _distinct(map(_text, host))
    services_of, services = _distinct(tuple(map(_text, each)) for each in zip(*service, strict=True))
    domains_of, distinct_domains = _distinct(map(_domains, domains))
    return {
        "reporter": _translate(reporter, _REPORTERS.__getitem__)[of_flow],
        "action": _translate(action, lambda action: _ACTIONS.get(action, MISSING))[of_flow],
        "proto": _translate(proto, lambda proto: _PROTOCOLS.get(proto, NO_PROTOCOL))[of_flow],
        "host": hosts_of[of_flow],
        "hosts": hosts,
        "service": services_of[of_flow],
        "services": services,
        "domain": domains_of[of_flow],
        "domains": distinct_domains,
    }


def _integers(rows: list[list[Any]]) -> Ints:
    try:
        return np.array(rows, np.int64)
    except TypeError:  # a counter that is null
        return np.array([[value or 0 for value in row] for row in rows], np.int64)


def _distinct[V: Hashable](values: Iterable[V]) -> tuple[Ints, list[V]]:
    numbers = _Numbers[V]()
    return np.array(numbers.of(values), np.int64), list(numbers)


def _translate[K](values: Iterable[K], read: Callable[[K], int]) -> Ints:
    return np.array(list(map(read, values)), np.int64)


def _text(value: str | int | None) -> str:
    return "" if value in _NOTHING else str(value)


def _domains(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(name for name in names if name not in _NOTHING)


def _port(port: float | str | None) -> int:
    # Times come here too: they stand among the same values, and may be larger than any column takes.
    return port if isinstance(port, int) and 0 <= port <= 65_535 else MISSING


def _times(start: Ints, end: Ints, received: Ints) -> tuple[Ints, Ints, Bools]:
    no_start, no_end = start == MISSING, end == MISSING
    start, end = np.where(no_start, end, start), np.where(no_end, start, end)
    timed = ~(no_start & no_end)
    return np.where(timed, start, received), np.where(timed, end, received), timed


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
        said = _LOGGED.decode(policies or b"null") or _Policies()
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
