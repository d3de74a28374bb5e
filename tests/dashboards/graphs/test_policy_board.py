"""The Policy Board in a browser: real order, what matched, what is staged, and the filter that it sets."""

import re

import pytest

from tests.dashboards.graphs import made_board
from tests.dashboards.graphs.browser import SIZE, answered
from tests.dashboards.graphs.reading import outside, overlaps

POLICIES, RULES = made_board.board()
NEWEST = [each for each in POLICIES if each["revision_number"] == 1]
HITS = {each["policy"]: each["hits"] for each in RULES}
POSSIBLE = {each["policy"]: each["possible_hits"] for each in RULES}


@pytest.fixture
def shown(graph, client, board):
    graph.show(answered("policy-board", client, board))
    return graph


def of_tier(tier):
    return [each["policy"] for each in NEWEST if each["tier"] == tier]


def test_tiers_and_policies_stand_in_the_order_of_the_newest_revision(shown):
    tiers = shown.texts("tier")
    assert [each.removeprefix("▸ ") for each in tiers] == ["security", "platform", "application", "default"]
    cards = shown.marks("card")
    for tier in ("security", "platform", "default"):
        inside = sorted((each for each in cards if each["tier"] == tier), key=lambda each: each["y"])
        assert [each["policy"] for each in inside] == of_tier(tier)
    left = {each["tier"]: each["x"] for each in cards}
    assert sorted(left, key=left.__getitem__) == ["security", "platform", "application", "default"]


def test_the_rest_of_a_tier_is_counted_and_a_click_shows_it(shown):
    cards = [each["policy"] for each in shown.marks("card") if each["tier"] == "application"]
    while shown.texts("below"):
        left = len(of_tier("application")) - len(cards)
        assert shown.texts("below") == [f"▾ and {left} more"]
        shown.click("below", tier="application")
        cards += [each["policy"] for each in shown.marks("card") if each["tier"] == "application"]
    assert cards == of_tier("application")
    shown.click("above")
    assert shown.texts("below")


def test_each_card_says_in_words_whether_it_is_staged_used_and_denies_all(shown):
    by_policy = {each["policy"]: each for each in NEWEST}
    for card in shown.marks("card"):
        policy, words = by_policy[card["policy"]], card["standing"]
        assert words.startswith("staged" if policy["staged"] else "enforced")
        assert ("denies all" in words) == policy["default_deny"]
        hits, possible = HITS.get(card["policy"], 0), POSSIBLE.get(card["policy"], 0)
        assert card["hits"] == hits
        if not policy["rules"]:
            assert card["use"] == "no rules to match"
        else:
            assert (card["use"] == "never used") == (hits == 0 and possible == 0)


def test_hover_tells_of_the_rules_and_their_hits(shown):
    used = next(
        each for each in NEWEST if HITS.get(each["policy"]) and each["rules"] and each["tier"] == "platform"
    )
    told = shown.hover("card", policy=used["policy"])
    hits = HITS[used["policy"]]
    assert told["title"] == used["policy"]
    assert told["Hits"] == f"{hits:,}"
    assert told["Rules"] == f"{used['rules'][0]} ({hits:,} hits)"
    assert told["Applies to"] == f"{used['applies_to_count']} workloads"


def test_a_click_filters_by_the_policy_wherever_it_is_named(shown, client, board):
    policy = of_tier("platform")[2]
    shown.click("card", policy=policy)
    (call,) = shown.calls()
    query, index, label = call["args"]
    assert (call["name"], index, label) == ("kibanaAddFilter", "flowtier_policies.*", policy)
    assert client.count(index=board.index("flowtier_policies.*"), query=query)["count"] == sum(
        each["policy"] == policy for each in POLICIES
    )
    named = {name for each in query["bool"]["should"] for name in each["term"]}
    assert {"policy", "verdict.enforced.policy", "verdict.staged_deny"} <= named


def test_the_heading_says_which_revision_this_is(shown):
    assert re.match(
        r"Cluster g\w+, revision a1b2a1b2a1b2 from git at a1b2a1b2, in force", shown.texts("heading")[0]
    )


@pytest.mark.parametrize("size", [SIZE, (1000, 500)])
def test_no_text_is_cut_off_or_stands_on_another(shown, size):
    shown.resize(*size)
    boxes = [*shown.boxes("name"), *shown.boxes("activity"), *shown.boxes("tier"), *shown.boxes("tier_end")]
    assert boxes
    assert not overlaps(boxes)
    assert not outside(boxes, size)


def test_no_index_shows_a_hint(graph, client, nobody):
    graph.show(answered("policy-board", client, nobody))
    assert "No policy is here" in graph.texts("hint")[0]
    assert not graph.marks("card")


def test_policies_without_any_hit_are_there_though_no_rule_was_written(graph, client, board):
    spec = answered("policy-board", client, board)
    rules = next(each for each in spec["data"] if each["name"] == "rules_response")
    del rules["values"]["aggregations"]  # as Elasticsearch answers where there is no index
    graph.show(spec)
    assert {each["use"] for each in graph.marks("card")} == {"never used", "no rules to match"}
