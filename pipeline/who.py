"""What recurs in records, who sent what to whom and what became of it, as columns of distinct values."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from pipeline.flow import ACTIONS, MISSING, REPORTERS, Endpoint, Ints, Logged
from pipeline.match.trace import HitError, normalise, parse_hit, render
from pipeline.policy.policies import ENFORCED_KINDS
from pipeline.record import Record

NO_PROTOCOL = -2  # a protocol name that nobody knows

NOTHING = frozenset(("-", "*", "", None))  # "-" unknown, "*" several: both leave it open
_PROTOCOL_NAMES: dict[str | int | None, int] = {
    "icmp": 1, "tcp": 6, "udp": 17, "ipip": 4, "esp": 50, "icmp6": 58, "icmpv6": 58, "sctp": 132,
    "udplite": 136,
}  # fmt: skip
# The first of several names is the one that Calico logs.
PROTOCOL_WORDS = {number: str(name) for name, number in reversed(_PROTOCOL_NAMES.items())}
_PROTOCOLS: dict[str | int | None, int] = {
    **dict.fromkeys(NOTHING, MISSING),
    **{number: number for number in range(256)},
    **{str(number): number for number in range(256)},
    **_PROTOCOL_NAMES,
    **{str(name).upper(): number for name, number in _PROTOCOL_NAMES.items()},
}
_REPORTERS = {**{name: i for i, name in enumerate(REPORTERS)}, "src, fwd": 0, "dst, fwd": 1}
_ACTIONS = {name: i for i, name in enumerate(ACTIONS)}
_PORT_ZERO_IS_NONE = (MISSING, 6, 17, 58, 132)  # of ICMP it is a type and code; these aggregated it away

type Names = tuple[str | int | None, ...]
type Who = tuple[Names, Names, Names, tuple[Any, ...], bytes, bytes, bytes]

_NAMES = (
    attrgetter("source_type", "source_namespace", "source_name", "source_name_aggr", "source_ip"),
    attrgetter("dest_type", "dest_namespace", "dest_name", "dest_name_aggr", "dest_ip"),
    attrgetter("dest_service_namespace", "dest_service_name", "dest_service_port"),
    attrgetter("reporter", "action", "proto", "dest_domains", "source_port", "dest_port"),
)
_RAW = tuple(map(attrgetter, ("source_labels", "dest_labels", "policies")))


class _Policies(msgspec.Struct, gc=False):
    enforced_policies: list[str] | None = None
    all_policies: list[str] | None = None


_LOGGED = msgspec.json.Decoder(_Policies | None)


class Numbers[K: Hashable](dict[K, int]):
    """Numbers values in the order in which they are first seen."""

    def __missing__(self, value: K) -> int:
        self[value] = number = len(self)
        return number

    def of(self, values: Iterable[K]) -> list[int]:
        """The number of each value."""
        return list(map(self.__getitem__, values))


def whos(records: Sequence[Record]) -> Iterable[Who]:
    """What recurs in each record."""
    named = (map(names, records) for names in _NAMES)
    return zip(*named, *(map(bytes, map(raw, records)) for raw in _RAW), strict=True)


def columns_of(said: Iterable[Who]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of a FlowBatch, a row for each of `said`, and the lists of distinct values beside them."""
    source, dest, service, single, source_labels, dest_labels, policies = _unzip(said, 7)
    reporter, action, proto, domains, source_port, dest_port = _unzip(single, 6)
    sides_of, sides = distinct(zip((*source, *dest), (*source_labels, *dest_labels), strict=True))
    same, endpoints = distinct(map(_endpoint, sides))
    ends = same[sides_of]
    services_of, services = distinct(tuple(map(text, names)) for names in service)
    domains_of, distinct_domains = distinct(map(_domains, domains))
    logs_of, logs = distinct(map(_logged, policies))
    protocol = translate(proto, lambda proto: _PROTOCOLS.get(proto, NO_PROTOCOL))
    columns = {
        "source": ends[: len(source)],
        "dest": ends[len(source) :],
        "service": services_of,
        "domain": domains_of,
        "logged": logs_of,
        "reporter": translate(reporter, _REPORTERS.__getitem__),
        "action": translate(action, lambda action: _ACTIONS.get(action, MISSING)),
        "proto": protocol,
        "source_port": _ports(source_port, protocol),
        "dest_port": _ports(dest_port, protocol),
    }
    values = {"endpoints": endpoints, "services": services, "domains": distinct_domains, "logs": logs}
    return columns, values


def distinct[V: Hashable](values: Iterable[V]) -> tuple[Ints, list[V]]:
    """The place of each value among the distinct ones, and these."""
    numbers = Numbers[V]()
    return np.array(numbers.of(values), np.int64), list(numbers)


def translate[K](values: Iterable[K], read: Callable[[K], int]) -> Ints:
    """What `read` says of each value."""
    return np.array(list(map(read, values)), np.int64)


def text(value: str | int | None) -> str:
    """A name; "" where there is none."""
    return "" if value in NOTHING else str(value)


def _unzip(rows: Iterable[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) or [()] * width


def _endpoint(side: tuple[Names, bytes]) -> Endpoint:
    names, labels = side
    kind, namespace, name, name_aggr, ip = map(text, names)
    return Endpoint(kind, namespace, name, name_aggr, ip, None if labels in (b"", b"null") else labels)


def _domains(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(name for name in names if name not in NOTHING)


def _ports(said: Iterable[float | str | None], protocol: Ints) -> Ints:
    ports = translate(said, lambda port: port if isinstance(port, int) else MISSING)
    ports[(ports == 0) & np.isin(protocol, _PORT_ZERO_IS_NONE)] = MISSING
    return ports


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
