"""What stood behind the services that rules name, within some time."""

from ipaddress import ip_network

import pytest

from pipeline.facts import Facts
from pipeline.identity import Slice
from pipeline.match.addresses import ROOTS
from pipeline.policy.facts_resources import EndpointSlice
from pipeline.services import ANY_PORT, Services
from tests.pipeline.resolving import POLICIES

KEY = "EndpointSlice/shop/web-1"
HTTP = ((6, 80),)


def web(*addresses: str, name: str = "web-1", ports: tuple[tuple[int, int], ...] = HTTP) -> EndpointSlice:
    return EndpointSlice("shop", name, "web", addresses, ports)


def piece(*addresses: str, ports: tuple[tuple[int, int], ...] = HTTP, is_open: bool = False) -> Slice:
    return Slice(("shop", "web"), frozenset(map(ip_network, addresses)), frozenset(ports), is_open)


ANYTHING = Slice(("shop", "web"), frozenset(ROOTS), ANY_PORT, is_open=True)


def within(facts: Facts, start: float, end: float) -> set[Slice]:
    return set(Services(facts, POLICIES).slices(start, end))


def test_only_slices_of_services_that_rules_name_are_looked_at():
    facts = Facts.from_resources(
        [web("10.0.0.1"), EndpointSlice("shop", "api-1", "api", ("10.0.0.5",), HTTP)]
    )
    assert within(facts, 100, 200) == {piece("10.0.0.1")}


def test_of_a_service_that_nobody_told_of_any_address_may_be():
    assert within(Facts(), 100, 200) == {ANYTHING}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (100, 199, {piece("10.0.0.1", "10.0.0.2")}),
        (200, 300, {piece("10.0.0.1", "10.0.0.3")}),
        (100, 200, {piece("10.0.0.1"), piece("10.0.0.2", "10.0.0.3", is_open=True)}),
        (100, 400, {piece("10.0.0.1", "10.0.0.2", "10.0.0.3", is_open=True)}),
        (400, 500, set()),
    ],
)
def test_an_address_that_was_there_for_a_part_of_the_time_may_be_behind_the_service_or_not(
    start, end, expected
):
    facts = Facts()
    facts.put(web("10.0.0.1", "10.0.0.2"), 0)
    facts.put(web("10.0.0.1", "10.0.0.3"), 200)
    facts.remove(KEY, 400)
    assert within(facts, start, end) == expected


def test_an_address_that_moves_from_one_slice_to_another_stays():
    facts = Facts()
    facts.put(web("10.0.0.1"), 0)
    facts.put(web("10.0.0.1", name="web-2"), 150)
    facts.remove(KEY, 150)
    assert within(facts, 100, 200) == {piece("10.0.0.1")}


def test_ports_that_change_are_open_and_the_addresses_with_them():
    facts = Facts()
    facts.put(web("10.0.0.1"), 0)
    facts.put(web("10.0.0.1", ports=((6, 81),)), 150)
    assert within(facts, 100, 200) == {
        piece("10.0.0.1", is_open=True),
        piece("10.0.0.1", ports=((6, 81),), is_open=True),
    }


def test_what_becomes_known_later_counts_from_then_on():
    facts = Facts()
    services = Services(facts, POLICIES)
    assert services.slices(100, 200) == (ANYTHING,)
    facts.put(web("10.0.0.1"), 0)
    assert services.slices(100, 200) == (piece("10.0.0.1"),)
