"""How far learning has come: covered time, and the share of edges that nobody has seen yet."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from pipeline.recommend.learn import HOURS_A_DAY
from pipeline.recommend.learned import EdgeKey, Seen
from pipeline.recommend.recommendation import Options, Status, StatusWord

HOURS_A_WEEK = 168
MOST_OF_WEEK = 0.9
MUCH_UNSEEN = 0.2


def status_of(edges: Mapping[EdgeKey, Seen], watched: Collection[int], now: int, options: Options) -> Status:
    """The status of what has these edges, whose namespace was `watched` in these hours, at the hour `now`
    (DESIGN.md §6, 7)."""
    watching = _Watched(
        len(watched),
        len({hour // HOURS_A_DAY for hour in watched}),
        len({hour % HOURS_A_WEEK for hour in watched}),
        max(watched, default=0),
        unseen_share(edges, len(watched)),
    )
    word, reason = _judged(edges, watching, now, options)
    return Status(word, reason, watching.hours, watching.days, watching.of_week, round(watching.unseen, 4))


def unseen_share(edges: Mapping[EdgeKey, Seen], windows: int) -> float:
    """The estimated share of edges that were not seen yet: Chao2, bias-corrected, over hours.

    With Q1 and Q2 edges seen in exactly one and two of m windows, (m-1)/m * Q1(Q1-1) / (2(Q2+1)) are not
    seen (Chao 1987; Gotelli and Colwell 2011). 1 where nothing was seen.
    """
    if not edges or not windows:
        return 1.0
    times = Counter(len(seen.hours) for seen in edges.values())
    missing = (windows - 1) / windows * times[1] * (times[1] - 1) / (2 * (times[2] + 1))
    return missing / (len(edges) + missing)


class _Watched(NamedTuple):
    hours: int
    days: int
    of_week: int  # hours of the week
    last: int
    unseen: float  # share of edges, estimated


def _judged(
    edges: Mapping[EdgeKey, Seen], watched: _Watched, now: int, options: Options
) -> tuple[StatusWord, str]:
    if not edges:
        return "Learning", "no traffic was seen yet"
    silent = (now - max(max(seen.hours) for seen in edges.values())) / HOURS_A_DAY
    if silent > options.stale_days:
        return "Stale", f"no traffic for {silent:.0f} days"
    told = f"{watched.hours} hours of {watched.days} days watched"
    if watched.hours < HOURS_A_DAY:
        return "Learning", f"{told}: less than a whole day"
    if watched.unseen > MUCH_UNSEEN:
        return "Learning", f"{told}, but an estimated {watched.unseen:.0%} of its edges not seen yet"
    if missing := _missing(edges, watched, options):
        return "Stabilizing", f"{told}; {missing}"
    return "Stable", f"{told}, {watched.of_week} of {HOURS_A_WEEK} hours of the week, nothing new for a day"


def _missing(edges: Mapping[EdgeKey, Seen], watched: _Watched, options: Options) -> str | None:
    """What is missing to be Stable, in words."""
    if watched.days < options.stable_days:
        return f"{options.stable_days} days are wanted"
    if watched.of_week < MOST_OF_WEEK * HOURS_A_WEEK:
        return f"only {watched.of_week} of {HOURS_A_WEEK} hours of the week"
    if watched.unseen > options.unseen_share:
        return f"an estimated {watched.unseen:.0%} of its edges not seen yet"
    new = sum(min(seen.hours) > watched.last - HOURS_A_DAY for seen in edges.values())
    return f"{new} edges are new within a day" if new else None
