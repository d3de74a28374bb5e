"""Which index a time is in, and when an index has aged out."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.periods import Series

periods = st.sampled_from(["day", "week", "month"])
times = st.integers(0, 4_000_000_000_000)


def seconds(moment: str) -> int:
    return int(datetime.fromisoformat(f"{moment}Z").timestamp())


@pytest.mark.parametrize(
    ("period", "moment", "index"),
    [
        ("day", "2026-11-25T23:59", "a.20261125"),
        ("week", "2026-11-23T00:00", "a.20261123"),
        ("week", "2026-11-29T23:59", "a.20261123"),
        ("week", "2027-01-01T00:00", "a.20261228"),
        ("month", "2026-12-31T00:00", "a.202612"),
    ],
)
def test_an_index_is_named_by_the_first_day_of_its_period(period, moment, index):
    assert Series("a", period, 1).index_of(seconds(moment) * 1000) == index


@pytest.mark.parametrize(
    ("period", "index", "end"),
    [
        ("day", "a.20261125", "2026-11-26T00:00"),
        ("week", "a.20261123", "2026-11-30T00:00"),
        ("month", "a.202612", "2027-01-01T00:00"),
        ("month", "a.202802", "2028-03-01T00:00"),
    ],
)
def test_an_index_ages_out_so_many_days_after_its_period(period, index, end):
    series, last = Series("a", period, 3), seconds(end) + 3 * 86_400
    assert series.has_aged_out(index, last)
    assert not series.has_aged_out(index, last - 1)


@given(periods, times, times, st.integers(1, 1000))
def test_what_is_kept_is_in_no_index_that_has_aged_out(period, time, now, days):
    series = Series("a.b", period, days)
    assert series.is_kept(time, now / 1000) != series.has_aged_out(series.index_of(time), now / 1000)


@pytest.mark.parametrize(
    "index",
    [
        "a.20261124",  # no Monday
        "a.2026112",
        "a.20261123 ",
        "a.20261123\n",
        "a.2026112\N{FULLWIDTH DIGIT THREE}",
        "a.20261323",
        "a.00000000",
        "a.-0261123",
        "a.b.20261123",
        "b.20261123",
        "aa.20261123",
        "a20261123",
        ".20261123",
        "20261123",
        "a.",
        "",
        "a.20261123.20261123",
        "a.reindexed-20261123",
    ],
)
def test_what_is_no_index_of_the_series_never_ages_out(index):
    assert not Series("a", "week", 1).has_aged_out(index, 1e11)
