"""Rows of a statement, as strategies."""

from __future__ import annotations

from hypothesis import strategies as st

from pytest_dgbudget.rules.reconciliation import VendorRow


def rows(
    ids: st.SearchStrategy[str], figures: st.SearchStrategy[int | None], most: int
) -> st.SearchStrategy[list[VendorRow]]:
    """Up to ``most`` rows; ``figures`` are their milliseconds and micro-dollars."""
    row = st.builds(
        VendorRow,
        request_id=ids,
        ms=figures,
        micro_usd=figures,
        tagged=st.sampled_from([True, False, None]),
        settled=st.booleans(),
    )
    return st.lists(row, max_size=most)
