"""What is read ahead is what was read twice, and known until something is written."""

from __future__ import annotations

from pytest_dgbudget.ledger.connection import Statement
from pytest_dgbudget.ledger.read_ahead import ReadAhead

ONE: Statement = ("SELECT :what", {"what": 1})
TWO: Statement = ("SELECT :what", {"what": 2})


def transaction(ahead: ReadAhead, *reads: Statement) -> list[Statement]:
    """Read these in a transaction, and return what was read ahead in it."""
    likely = list(ahead.likely())
    ahead.fetched(likely, [[{"what": 0}]] * len(likely))
    for each in reads:
        ahead.read(each)
    ahead.forget()
    return likely


def test_what_two_transactions_have_read_the_third_reads_ahead() -> None:
    ahead = ReadAhead()
    assert transaction(ahead, ONE, TWO) == []
    assert transaction(ahead, TWO, ONE) == []
    assert transaction(ahead, TWO) == [TWO, ONE]
    assert transaction(ahead, ONE) == [TWO]
    assert transaction(ahead) == []


def test_what_was_read_ahead_is_known_until_it_is_forgotten() -> None:
    ahead = ReadAhead()
    ahead.fetched([ONE], [[{"what": 1}]])
    assert ahead.read(ONE) == [{"what": 1}]
    assert ahead.read(TWO) is None
    ahead.forget()
    assert ahead.read(ONE) is None
