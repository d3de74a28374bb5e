"""Addresses and ports made fewer, and how much more that admits than was seen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses
from typing import cast

from pipeline.addresses import PRIVATE
from pipeline.policy.policies import Network

MAX_NETS = 8  # of a rule: more are made fewer
_STEPS = {4: (28, 24, 20, 16), 6: (120, 112, 96, 64)}  # prefixes that nets are widened to, in turn
EPHEMERAL = 32_768  # the first port that Linux gives to clients
MANY = 8  # distinct ephemeral ports of one pair of workloads: they are not a service's
RUN = 3  # ports in a row that become a range
DENSE = 0.75  # share of a range that was seen, where ports are not in a row
FEW = 20  # ports that are kept one by one where they are not in a row


@dataclass(frozen=True, slots=True)
class Nets:
    """Nets for some addresses, and how many addresses they admit beyond these."""

    nets: tuple[Network, ...]
    more: int


def nets_of(addresses: Iterable[Network]) -> Nets | None:
    """At most MAX_NETS nets for them, as narrow as can be; None where that takes too wide ones."""
    seen = list(collapse(addresses))
    nets = seen
    for step in range(len(_STEPS[4])):
        if len(nets) <= MAX_NETS:
            return Nets(tuple(nets), _size(nets) - _size(seen))
        nets = list(collapse(_widened(net, _STEPS[net.version][step]) for net in seen))
    return Nets(tuple(nets), _size(nets) - _size(seen)) if len(nets) <= MAX_NETS else None


def collapse(nets: Iterable[Network]) -> Iterable[Network]:
    """The same addresses in as few nets as possible, IPv4 first."""
    own = list(nets)
    for version in (4, 6):
        one = [cast("IPv4Network", net) for net in own if net.version == version]
        yield from collapse_addresses(one)


def private(net: Network) -> bool:
    """Whether it is within RFC 1918."""
    return any(net.version == wide.version and _within(net, wide) for wide in PRIVATE)


def _within(net: Network, wide: Network) -> bool:
    return net.prefixlen >= wide.prefixlen and net.network_address in wide


def _widened(net: Network, prefix: int) -> Network:
    return net.supernet(new_prefix=prefix) if net.prefixlen > prefix else net


def _size(nets: Iterable[Network]) -> int:
    return sum(net.num_addresses for net in nets)


@dataclass(frozen=True, slots=True)
class Ports:
    """An inclusive range of ports, and how many of them were not seen."""

    first: int
    last: int
    more: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """Ports as ranges, and those that are set aside since no service has them."""

    ranges: tuple[Ports, ...]
    ephemeral: tuple[int, ...] = ()


def split_ports(ports: Iterable[int]) -> Split:
    """The ports of one pair of workloads as ranges, many ephemeral ones set aside."""
    seen = sorted(set(ports))
    scattered = [port for run in _runs(seen) if len(run) < RUN for port in run if port >= EPHEMERAL]
    if len(scattered) <= MANY:
        return Split(ranges_of(seen))
    # Of many that are drawn by chance some stand in a row.
    low = [port for port in seen if port < EPHEMERAL]
    return Split(ranges_of(low), tuple(seen[len(low) :]))


def ranges_of(ports: Iterable[int]) -> tuple[Ports, ...]:
    """Ports as ranges: in a row or dense they are one, else each is its own."""
    seen = sorted(set(ports))
    if len(seen) > FEW and len(seen) >= DENSE * (seen[-1] - seen[0] + 1):
        return (Ports(seen[0], seen[-1], seen[-1] - seen[0] + 1 - len(seen)),)
    runs = [[run] if len(run) >= RUN else [[port] for port in run] for run in _runs(seen)]
    return tuple(Ports(run[0], run[-1]) for parts in runs for run in parts)


def _runs(ports: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for port in ports:
        if runs and runs[-1][-1] + 1 == port:
            runs[-1].append(port)
        else:
            runs.append([port])
    return runs
