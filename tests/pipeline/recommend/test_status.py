"""Status: the estimate of what was not seen yet, and Learning, Stabilizing, Stable, Stale by covered time."""

from dataclasses import replace

import pytest

from pipeline.recommend.learned import Counts, EdgeKey, Seen
from pipeline.recommend.recommendation import Options
from pipeline.recommend.status import status_of, unseen_share
from tests.pipeline.recommend.learning import DAY, MONDAY

START = MONDAY // 3_600
WEEK = 7 * DAY
EDGE = EdgeKey("egress", "web", "wep", "shop", "cart", "", 6, 7070, "", "", ())


def edges(*hours: list[int]) -> dict[EdgeKey, Seen]:
    """Edges by the hours since MONDAY in which each was seen."""
    return {
        EDGE._replace(port=number): Seen(
            {START + hour: Counts(1, 1, 1, 1) for hour in own}, len(own), (0, ""), (0, "")
        )
        for number, own in enumerate(hours)
    }


# Edges by how many hours they were seen in, of how many hours; (m-1)/m * Q1(Q1-1) / (2(Q2+1)) are missing.
UNSEEN = [
    ([], 10, 1.0),  # nothing was seen
    ([1], 1, 0.0),  # one window cannot tell
    ([1, 1], 1, 0.0),
    ([1, 1], 2, 0.25 / 1.0 / (2 + 0.5) * 2),  # 1/2 * 2*1 / (2*1) = 0.5 of 2.5
    ([3, 4, 5], 10, 0.0),  # all were seen again
    ([1, 2, 3], 10, 0.0),  # one alone is not enough to tell
    ([1, 1, 2], 10, 0.45 / 3.45),  # 9/10 * 2*1 / (2*2) = 0.45
    ([1, 1, 1, 1, 2, 5, 5], 4, 2.25 / 9.25),  # 3/4 * 4*3 / (2*2) = 2.25
    ([1] * 10, 100, 44.55 / 54.55),  # 99/100 * 10*9 / (2*1) = 44.55
    ([2] * 10, 100, 0.0),
]


@pytest.mark.parametrize(("times", "windows", "expected"), UNSEEN)
def test_the_share_of_unseen_edges_is_what_chao2_says(times, windows, expected):
    found = unseen_share(edges(*(list(range(n)) for n in times)), windows)
    assert found == pytest.approx(expected)


ALWAYS = list(range(WEEK))
ONCE = [[hour] for hour in range(0, 80, 10)]
STATUS = {
    "nothing": (edges(), ALWAYS, WEEK, "Learning", "no traffic was seen yet"),
    "less than a day": (
        edges(ALWAYS[:23]),
        ALWAYS[:23],
        23,
        "Learning",
        "23 hours of 1 days watched: less than",
    ),
    "much unseen": (
        edges(ALWAYS[:80], *ONCE),
        ALWAYS[:80],
        80,
        "Learning",
        "80 hours of 4 days watched, but an estimated 75% of its edges not seen yet",
    ),
    "few days": (
        edges(ALWAYS[:72]),
        ALWAYS[:72],
        72,
        "Stabilizing",
        "72 hours of 3 days watched; 7 days are wanted",
    ),
    "days without nights": (
        edges(ALWAYS),
        [hour for hour in ALWAYS if hour % 24 >= 8],
        WEEK,
        "Stabilizing",
        "112 hours of 7 days watched; only 112 of 168 hours of the week",
    ),
    "some unseen": (
        edges(*[ALWAYS] * 10, [5], [6]),
        ALWAYS,
        WEEK,
        "Stabilizing",
        "168 hours of 7 days watched; an estimated 8% of its edges not seen yet",
    ),
    "new since yesterday": (
        edges(ALWAYS, [WEEK - 5, WEEK - 2]),
        ALWAYS,
        WEEK,
        "Stabilizing",
        "168 hours of 7 days watched; 1 edges are new within a day",
    ),
    "all there": (
        edges(ALWAYS, ALWAYS[20:]),
        ALWAYS,
        WEEK,
        "Stable",
        "168 hours of 7 days watched, 168 of 168 hours of the week, nothing new for a day",
    ),
    "as long as wanted after the last": (edges(ALWAYS), ALWAYS, WEEK - 1 + 3 * DAY, "Stable", "168 hours"),
    "silent for longer": (edges(ALWAYS), ALWAYS, WEEK + 4 * DAY, "Stale", "no traffic for 4 days"),
}


@pytest.mark.parametrize("case", STATUS)
def test_the_status_is_of_covered_time_and_says_why(case: str) -> None:
    own, watched, now, word, reason = STATUS[case]
    status = status_of(own, {START + hour for hour in watched}, START + now, Options())
    assert status.word == word
    assert status.reason.startswith(reason)


def test_the_status_takes_what_a_person_wants() -> None:
    wanted = replace(Options(), stable_days=8)
    watched = {START + hour for hour in ALWAYS}
    assert status_of(edges(ALWAYS), watched, START + WEEK, wanted).word == "Stabilizing"
    assert status_of(edges(ALWAYS), watched, START + WEEK, replace(wanted, stable_days=2)).word == "Stable"


def test_the_status_counts_what_was_covered() -> None:
    status = status_of(edges(ALWAYS[:30]), {START + hour for hour in range(30)}, START + 30, Options())
    assert (status.hours, status.days, status.hours_of_week, status.unseen_share) == (30, 2, 30, 0.0)
