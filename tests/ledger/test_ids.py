"""Ids are in the order of time, and none is given twice."""

from __future__ import annotations

from pytest_dgbudget.ledger.ids import id_at, new_id


def test_a_later_row_has_a_greater_id() -> None:
    assert id_at(9) < id_at(10) < id_at(1_793_000_000_000) < new_id() < id_at(2**44 - 1)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({id_at(1) for _ in range(10_000)}) == 10_000
