"""What was learned is a sum: grouping and order do not matter, and equal content has equal bytes."""

from copy import deepcopy
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recommend.learn import MAX_EDGES, add
from pipeline.recommend.learned import (
    MAX_ADDRESSES,
    MAX_NAMES,
    SEVERAL,
    Counts,
    Described,
    EdgeKey,
    Learned,
    Seen,
    Who,
    decode,
    encode,
    together,
)

EDGE = EdgeKey("egress", "web", "wep", "shop", "cart", "", 6, 7070, "", "", ())
NUMBERS = st.integers(0, 2**40)
ADDRESSES = [f"198.51.100.{n}" for n in range(MAX_ADDRESSES + 20)]
MOMENTS = st.tuples(st.integers(0, 2**41), st.sampled_from(["", "topic-0-1-0", "topic-1-7-2"]))
SEEN = st.builds(
    Seen,
    st.dictionaries(st.integers(490_000, 490_030), st.builds(Counts, *[NUMBERS] * 4), min_size=1, max_size=4),
    NUMBERS,
    MOMENTS,
    MOMENTS,
)
KEYS = st.builds(
    EDGE._replace,
    workload=st.sampled_from(["web", "cart"]),
    port=st.sampled_from([-1, 80]),
    domains=st.sampled_from([(), ("a.example",), ("a.example", "b.example")]),
) | st.sampled_from([*ADDRESSES, SEVERAL]).map(
    lambda ip: EDGE._replace(peer_type="net", peer="pub", peer_namespace="", peer_ip=ip)
)
DESCRIBED = st.builds(
    Described,
    st.none() | st.dictionaries(st.sampled_from(["app", "tier", "team"]), st.sampled_from("ab"), max_size=3),
    st.dictionaries(
        st.sampled_from([f"web-{n}-*" for n in range(12)]), st.integers(0, 99), min_size=1, max_size=MAX_NAMES
    ),
)
WHO = st.builds(Who, st.sampled_from(["wep", "hep"]), st.just("shop"), st.sampled_from(["web", "cart"]))
PARTS = st.builds(
    Learned,
    st.dictionaries(KEYS, SEEN, max_size=12),
    st.dictionaries(WHO, DESCRIBED, max_size=3),
    st.dictionaries(st.sampled_from(["t/0", "t/1"]), st.integers(0, 2**60), max_size=2),
)
SOME = st.lists(PARTS, max_size=6)


def sum_of(*parts: Learned) -> Learned:
    return together(parts)


@settings(deadline=None)
@given(PARTS, PARTS, PARTS)
def test_sums_are_associative_and_commutative(a, b, c):
    assert sum_of(sum_of(a, b), c) == sum_of(a, sum_of(b, c))
    assert sum_of(a, b) == sum_of(b, a)


@settings(deadline=None)
@given(SOME, st.randoms(use_true_random=False))
def test_equal_content_has_equal_bytes_in_whatever_order_it_came(parts, random: Random):
    whole = sum_of(*parts)
    again = sum_of(*random.sample(parts, len(parts)))
    assert encode(again) == encode(whole)
    assert decode(encode(whole)) == whole
    assert encode(decode(encode(whole))) == encode(whole)


@settings(deadline=None)
@given(PARTS, PARTS)
def test_a_sum_takes_nothing_from_its_parts(a, b):
    whole, part = deepcopy(a), deepcopy(b)
    whole.add(part)
    whole.add(part)
    assert part == b


def of_address(ip: str, hour: int = 490_000) -> Learned:
    key = EDGE._replace(peer_type="net", peer="pub", peer_ip=ip)
    return Learned({key: Seen({hour: Counts(1, 1, 1, 1)}, 1, (hour, ""), (hour, ""))})


@pytest.mark.parametrize("count", [1, MAX_ADDRESSES, MAX_ADDRESSES + 1, len(ADDRESSES)])
def test_addresses_are_folded_from_a_number_on_in_whatever_order_they_come(count: int) -> None:
    parts = [of_address(ip, 490_000 + number) for number, ip in enumerate(ADDRESSES[:count])]
    sums = [sum_of(*Random(seed).sample(parts, count)) for seed in range(5)]
    assert all(each == sums[0] for each in sums)
    assert {key.peer_ip for key in sums[0].edges} == (
        set(ADDRESSES[:count]) if count <= MAX_ADDRESSES else {SEVERAL}
    )
    assert sum(seen.started for seen in sums[0].edges.values()) == count


def test_of_a_workload_the_newest_names_are_kept() -> None:
    who = Who("wep", "shop", "web")
    parts = [Learned({}, {who: Described({"app": "web"}, {f"web-{n}-*": n})}) for n in range(20)]
    expected = {f"web-{n}-*": n for n in range(20 - MAX_NAMES, 20)}
    for seed in range(3):
        assert sum_of(*Random(seed).sample(parts, 20)).workloads[who].names == expected


@settings(deadline=None)
@given(SEEN, st.integers(490_000, 490_030))
def test_what_was_before_an_hour_and_since_is_all_that_was(seen: Seen, hour: int) -> None:
    parts = [part for part in (seen.within(0, hour), seen.within(hour, 490_099)) if part]
    for name in ("started", "active", "answers", "bytes"):
        assert sum(getattr(part, name) for part in parts) == getattr(seen, name)


def test_a_full_place_takes_what_it_knows_and_counts_what_it_leaves_out() -> None:
    known = Learned()
    ports = [EDGE._replace(port=port) for port in range(1, MAX_EDGES + 6)]
    one = Seen({490_000: Counts(1, 1, 1, 1)}, 2, (1, ""), (1, ""))
    assert add(known, Learned(dict.fromkeys(ports, one))) == 2 * 5
    assert len(known.edges) == MAX_EDGES
    assert add(known, Learned(dict.fromkeys(ports, one))) == 2 * 5
    assert {seen.started for seen in known.edges.values()} == {2}


def test_many_new_addresses_need_the_room_of_one_edge() -> None:
    known = Learned()
    keys = [EDGE._replace(peer_ip=f"10.0.{n // 250}.{n % 250}") for n in range(2 * MAX_EDGES)]
    one = Seen({490_000: Counts(1, 1, 1, 1)}, 1, (1, ""), (1, ""))
    assert add(known, Learned(dict.fromkeys(keys, one))) == 0
    assert [(key.peer_ip, seen.flows) for key, seen in known.edges.items()] == [(SEVERAL, 2 * MAX_EDGES)]


@pytest.mark.parametrize("value", [b"", b"\x00", b"{}", b"\xff" * 9, encode(Learned())[:-1]])
def test_what_is_no_learned_value_is_said_to_be_none(value: bytes) -> None:
    with pytest.raises(ValueError, match="what was learned"):
        decode(value)
