"""What is so now and was not so before is told once, in a sentence with its figures."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.changes import DeniedEdge, Kind, Known, Share, denies, rises

AT = 1_790_553_661_000
BAR = 0.01
EDGES = [DeniedEdge(f"shop/w{number}", "shop/cart", "tcp/8080") for number in range(20)]
PAIRS = st.sets(st.tuples(st.sampled_from(["snp:a/a", "snp:a/b"]), st.sampled_from("uvwxyz")))


@given(st.lists(PAIRS, max_size=5), PAIRS)
def test_each_edge_is_new_once(looks, before):
    known = Known(cluster="prod")
    known.learn(known.new(before))
    told = []
    for pairs in looks:
        new = known.new(pairs)
        told += [(policy, edge) for policy, edges in new.items() for edge in edges]
        known.learn(new)
    assert len(told) == len(set(told))
    assert set(told) == set().union(*looks) - before


def disagreement(now: int, before: int) -> dict[Kind, Share]:
    """Of a thousand flows each."""
    return {"disagreement_rises": Share(now, 1_000, before, 1_000)}


def rounds(*looks: tuple[int, int]) -> list[bool]:
    """Whether each look told of a rise."""
    known, told = Known(cluster="prod"), []
    for look in looks:
        found = list(known.rises(disagreement(*look), BAR))
        known.risen.update(found)
        told.append(bool(found))
    return told


def test_a_share_that_rose_is_told_of_again_only_once_it_fell():
    assert rounds((10, 5), (16, 5), (90, 5), (9, 5), (16, 5)) == [False, True, False, False, True]
    assert rounds((16, 5), (14, 5), (16, 5)) == [True, False, False]  # it hardly fell


@pytest.mark.parametrize(
    "share", [Share(99, 99, 0, 1_000), Share(100, 100, 0, 0), Share(0, 0, 0, 0), Share(11, 1_000, 1, 1_000)]
)
def test_a_few_flows_nothing_to_compare_with_and_a_small_rise_are_none(share):
    assert list(Known(cluster="prod").rises({"unknown_rises": share}, BAR)) == []


def test_an_edge_in_words_and_as_json():
    change = denies("prod", AT, "snp:shop/cart", 1, EDGES[:1])
    words = "snp:shop/cart would deny an edge that it never denied before: shop/w0 → shop/cart tcp/8080"
    assert change.line() == f"2026-09-28T00:01:01Z prod: {words}"
    assert json.loads(change.as_json()) == {
        "change": "edges_denied",
        "cluster": "prod",
        "at": "2026-09-28T00:01:01Z",
        "words": words,
        "policy": "snp:shop/cart",
        "edge_count": 1,
        "edges": [{"source": "shop/w0", "dest": "shop/cart", "service": "tcp/8080"}],
    }


def test_many_edges_of_a_policy_are_one_change():
    change = denies("prod", AT, "snp:shop/cart", 1_200, EDGES)
    assert "would deny 1,200 edges that it never denied before: shop/w0 →" in change.words
    assert change.words.count("→") == 3
    assert change.words.endswith(", …")
    assert len(json.loads(change.as_json())["edges"]) == 20


def test_a_rise_in_words_and_as_json():
    change = rises("prod", AT, "unknown_rises", Share(30, 1_000, 5, 1_000, ("pod", "dest_ip")))
    assert change.words == (
        "unknown verdicts rise: 3.0% of flows in the last hour, 0.5% in the day before,"
        " for want of pod, dest_ip"
    )
    found = json.loads(change.as_json())
    assert (found["change"], found["share"], found["share_before"]) == ("unknown_rises", 0.03, 0.005)
    stale = rises("prod", AT, "disagreement_rises", Share(30, 1_000, 5, 1_000))
    assert stale.words.startswith("verdicts that disagree with the nodes (changes of policies left out) rise")
