"""IP addresses as networks: parsing, and what `pvt` and `pub` of a flow log stand for."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from pipeline.policy.policies import Network

_RFC1918 = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@lru_cache(maxsize=1 << 18)
def network_of(address: str) -> Network | None:
    """The /32 or /128 of an address; None for what is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    kind = IPv4Network if found.version == 4 else IPv6Network
    return kind((int(found), found.max_prefixlen))


def networks_of(addresses: Iterable[str]) -> tuple[Network, ...]:
    """The /32 and /128 of addresses: distinct, IPv4 first, ascending."""
    return ordered(net for net in map(network_of, addresses) if net)


def ordered(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Distinct networks, IPv4 first, ascending."""
    return tuple(
        sorted(set(networks), key=lambda net: (net.version, int(net.network_address), net.prefixlen))
    )


def _without(nets: Iterable[IPv4Network], hole: IPv4Network) -> list[IPv4Network]:
    return [part for net in nets for part in (net.address_exclude(hole) if hole.subnet_of(net) else (net,))]


def _outside(holes: Iterable[IPv4Network]) -> list[IPv4Network]:
    rest = [IPv4Network("0.0.0.0/0")]
    for hole in holes:
        rest = _without(rest, hole)
    return rest


# `pvt` is RFC 1918 only: private IPv6 counts as `pub` (CALICO.md §6).
PRIVATE: tuple[Network, ...] = _RFC1918
PUBLIC: tuple[Network, ...] = ordered([*_outside(_RFC1918), IPv6Network("::/0")])
REGIONS = {"pvt": PRIVATE, "pub": PUBLIC}
