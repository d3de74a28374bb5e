"""Fewer nets and ports cover all that was seen, and count exactly what they add."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.policies import Network
from pipeline.recommend.widen import (
    EPHEMERAL,
    MANY,
    MAX_NETS,
    collapse,
    nets_of,
    private,
    ranges_of,
    split_ports,
)

# Near each other and far apart, so that every width is tried.
V4 = st.builds(
    lambda base, host: IPv4Network((base << 16 | host, 32)),
    st.sampled_from([0x0A00, 0x0A01, 0xC633, 0xCB00]),
    st.integers(0, 2**16 - 1) | st.integers(0, 64),
)
V6 = st.integers(0, 2**16).map(lambda host: IPv6Network((0x20010DB8 << 96 | host, 128)))
PORTS = st.lists(
    st.integers(0, 65_535) | st.integers(8_000, 8_060) | st.integers(50_000, 50_040), max_size=60
)


def size(nets: list[Network]) -> int:
    return sum(net.num_addresses for net in nets)


@settings(deadline=None)
@given(st.lists(V4, min_size=1, max_size=80) | st.lists(V6, min_size=1, max_size=80))
def test_at_most_eight_nets_cover_every_address_and_count_what_they_add(addresses: list[Network]) -> None:
    found = nets_of(addresses)
    if found is None:
        assert len(list(collapse(addresses))) > MAX_NETS
        return
    assert 1 <= len(found.nets) <= MAX_NETS
    assert all(any(address.network_address in net for net in found.nets) for address in addresses)
    assert size(list(collapse(found.nets))) == size(list(found.nets))  # none is within another
    assert found.more == size(list(found.nets)) - len(set(addresses))


@settings(deadline=None)
@given(st.lists(V4, min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_nets_do_not_depend_on_the_order_of_addresses(addresses, random):
    assert nets_of(random.sample(addresses, len(addresses))) == nets_of(addresses)


@pytest.mark.parametrize(
    ("addresses", "nets", "more"),
    [
        (["10.0.0.1"], ["10.0.0.1/32"], 0),
        (["10.0.0.0", "10.0.0.1"], ["10.0.0.0/31"], 0),
        ([f"10.0.0.{2 * n}" for n in range(8)], [f"10.0.0.{2 * n}/32" for n in range(8)], 0),
        ([f"10.0.0.{2 * n}" for n in range(9)], ["10.0.0.0/27"], 23),
        ([f"10.0.{n}.1" for n in range(9)], ["10.0.0.0/21", "10.0.8.0/24"], 9 * 255),
        ([f"10.{2 * n}.0.1" for n in range(9)], None, None),
    ],
)
def test_nets_are_as_narrow_as_can_be_and_none_is_wider_than_a_bound(addresses, nets, more):
    found = nets_of([ip_network(each) for each in addresses])
    assert (found and [str(net) for net in found.nets]) == nets or nets is None
    assert (found and found.more) == more


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", True), ("172.31.0.1", True), ("172.32.0.1", False), ("192.168.1.1", True),
     ("100.64.0.1", False), ("fd00::1", False)],
)  # fmt: skip
def test_private_is_what_rfc_1918_says(address, expected):
    assert private(ip_network(address)) is expected


@settings(deadline=None)
@given(PORTS)
def test_every_port_that_is_not_set_aside_is_in_one_range_and_no_other_port_is_silently(
    ports: list[int],
) -> None:
    split = split_ports(ports)
    kept = set(ports) - set(split.ephemeral)
    covered = [port for each in split.ranges for port in range(each.first, each.last + 1)]
    assert len(covered) == len(set(covered))
    assert kept <= set(covered)
    assert sum(each.more for each in split.ranges) == len(covered) - len(kept)
    assert all(each.more <= (each.last - each.first + 1) / 4 for each in split.ranges)


@settings(deadline=None)
@given(PORTS)
def test_only_many_ephemeral_ports_are_set_aside_and_then_all_of_them(ports: list[int]) -> None:
    split = split_ports(ports)
    high = {port for port in ports if port >= EPHEMERAL}
    assert set(split.ephemeral) in (set(), high)
    assert not split.ephemeral or len(split.ephemeral) > MANY


@pytest.mark.parametrize(
    ("ports", "ranges", "ephemeral"),
    [
        ([], [], 0),
        ([80], [(80, 80, 0)], 0),
        ([80, 81], [(80, 80, 0), (81, 81, 0)], 0),
        ([80, 81, 82], [(80, 82, 0)], 0),
        ([50_051], [(50_051, 50_051, 0)], 0),
        (range(50_000, 50_100), [(50_000, 50_099, 0)], 0),  # of passive FTP, say
        (range(40_000, 60_000, 999), [], 21),
        ([*range(40_000, 60_000, 999), 41_000, 41_001, 41_002], [], 24),
        ([443, *range(40_000, 60_000, 999)], [(443, 443, 0)], 21),
        ([n for n in range(9_000, 9_040) if n % 10], [(9_001, 9_039, 3)], 0),
        ([n for n in range(9_000, 9_100) if n % 2], [(n, n, 0) for n in range(9_001, 9_100, 2)], 0),
    ],
)
def test_ports_in_a_row_or_dense_are_a_range_and_many_ephemeral_ones_are_none(ports, ranges, ephemeral):
    split = split_ports(ports)
    assert [(each.first, each.last, each.more) for each in split.ranges] == ranges
    assert len(split.ephemeral) == ephemeral


@settings(deadline=None)
@given(PORTS, st.randoms(use_true_random=False))
def test_ranges_do_not_depend_on_the_order_of_ports(ports, random):
    assert ranges_of(random.sample(ports, len(ports))) == ranges_of(ports)
