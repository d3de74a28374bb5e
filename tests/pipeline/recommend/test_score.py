"""Scores: a proposal is judged on hours that it has not learned from, beside the policy of its namespace."""

from typing import Any

from pipeline.recommend.recommendation import Options, Recommendation, Replay
from tests.pipeline.recommend.learning import DNS, MONDAY, NO_POLICIES, both_sides, by_name, flow

OPTIONS = Options(held_out_share=0.25)
HOURS = 16  # the last four are held out
CUT = 12


def at(hours: range, dest: str, port: int, **changes: Any) -> list[dict[str, Any]]:
    return [each for hour in hours for each in both_sides("shop/web", dest, port, hour=hour, **changes)]


USUAL = [*at(range(HOURS), "shop/cart", 7070), *at(range(HOURS), DNS, 53, proto="udp")]


# Of another namespace: it closes the hours before.
LATER = flow("other/clock", "other/bell", 1, HOURS)


def web_of(flows: list[dict[str, Any]], **options: Any) -> Recommendation:
    found = NO_POLICIES.recommend([*flows, LATER], Options(held_out_share=0.25, **options))
    return by_name(found)["web-learned"]


def test_traffic_that_stays_as_it_was_is_all_allowed() -> None:
    score = web_of(USUAL).score
    assert score
    assert score.cut_at == (MONDAY + CUT * 3_600) * 1_000
    assert score.replay == Replay(allowed=8, cut=0, unknown=0)
    assert (score.replay.recall, score.would_cut) == (1.0, [])


def test_the_hour_that_is_still_running_is_not_scored() -> None:
    (web,) = (each for each in NO_POLICIES.recommend(USUAL, OPTIONS) if each.workloads == ["web"])
    assert web.score
    assert web.score.cut_at == (MONDAY + (CUT - 1) * 3_600) * 1_000
    assert web.score.replay.allowed == 8
    running = at(range(HOURS, HOURS + 1), "shop/search", 9200)
    new = by_name(NO_POLICIES.recommend([*USUAL, *running], OPTIONS))["web-learned"].score
    assert new
    assert new.would_cut == []


def test_an_edge_that_is_new_after_the_cut_would_be_cut_and_is_named() -> None:
    new = at(range(CUT, HOURS), "shop/search", 9200, num_flows=3, num_flows_started=3)
    web = web_of([*USUAL, *new])
    assert web.score
    assert web.score.replay == Replay(allowed=8, cut=12, unknown=0)
    assert web.score.replay.recall == 8 / 20
    assert web.score.would_cut == ["web → tcp/9200 shop/search"]
    assert "Allow tcp/9200 to workload shop/search" in [rule.says for rule in web.rules]


def test_an_edge_of_the_last_hour_before_the_cut_is_learned_from() -> None:
    new = at(range(CUT - 1, HOURS), "shop/search", 9200)
    score = web_of([*USUAL, *new]).score
    assert score
    assert score.replay.cut == 0


def test_what_is_set_aside_for_good_counts_neither_way() -> None:
    unanswered = at(range(HOURS), "shop/closed", 9999, packets_in=0, bytes_in=0)
    score = web_of([*USUAL, *unanswered]).score
    assert score
    assert score.replay.allowed + score.replay.cut == 8


def test_edges_with_most_connections_are_named_first() -> None:
    few = at(range(CUT, HOURS), "shop/few", 1)
    many = at(range(CUT, HOURS), "shop/many", 2, num_flows_started=9, num_flows=9)
    score = web_of([*USUAL, *few, *many]).score
    assert score
    assert score.would_cut == ["web → tcp/2 shop/many", "web → tcp/1 shop/few"]


def test_too_few_hours_give_no_score() -> None:
    assert web_of([each for each in USUAL if each["start_time"] < MONDAY + 7 * 3_600]).score is None


def test_a_workload_that_is_new_after_the_cut_has_no_score() -> None:
    new = [flow("shop/new", "shop/cart", 7070, hour) for hour in range(CUT, HOURS)]
    assert by_name(NO_POLICIES.recommend([*USUAL, *new], OPTIONS))["new-learned"].score is None


def test_the_policy_of_the_whole_namespace_opens_more_and_is_scored_beside() -> None:
    shop = [
        each
        for hour in range(HOURS)
        for each in (
            *both_sides("shop/web", "shop/cart", 7070, hour=hour),
            *both_sides("shop/cart", "shop/redis", 6379, hour=hour),
        )
    ]
    scores = [each.score for each in NO_POLICIES.recommend(shop, OPTIONS)]
    assert all(score and score.replay.recall == 1.0 for score in scores)
    # Three workloads may talk to all three, in both directions; two pairs of each were seen.
    assert {(score.opened.pairs, score.namespace_opened.pairs) for score in scores if score} == {(0, 14)}
    (everyone,) = NO_POLICIES.recommend(shop, Options(held_out_share=0.25, mode="namespace"))
    assert everyone.score
    assert everyone.score.opened == everyone.score.namespace_opened
    assert everyone.workloads == ["cart", "redis", "web"]
    assert "selector" not in everyone.manifest["spec"]


def test_addresses_that_were_not_seen_are_counted_once_a_rule() -> None:
    near = [flow("shop/web", f"198.51.100.{n}", 443, n % HOURS) for n in range(1, 60, 3)]
    other = [flow("shop/web", f"203.0.113.{n}", 8443, n % HOURS) for n in range(1, 60, 3)]
    score = web_of([*USUAL, *near, *other]).score
    assert score
    assert score.opened.addresses == 44 + 44
