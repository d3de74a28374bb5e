"""Dealing out connections loses none and makes none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.dealt import Dealt


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(1, 9), st.integers(0, 400))
def test_rows_columns_and_totals_are_of_one_table(totals: list[int], dests: int, turn: int) -> None:
    dealt = Dealt(np.array(totals), dests, turn)
    table = np.array([dealt.of_source(source) for source in range(len(totals))])
    assert table.sum(axis=1).tolist() == totals
    assert np.ptp(table, axis=1).max() <= 1
    assert dealt.per_dest.tolist() == table.sum(axis=0).tolist()
    assert [dealt.of_dest(dest).tolist() for dest in range(dests)] == table.T.tolist()
