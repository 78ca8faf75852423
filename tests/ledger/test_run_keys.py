"""Keys that were made for runs, by their ids: whose they are, that they end once, and which sessions had them."""

from __future__ import annotations

import pytest

from pytest_dgbudget.ledger.facts import SessionFacts
from pytest_dgbudget.ledger.ledger import Ledger
from tests.support import facts
from tests.support.facts import session
from tests.support.ledger import leased

from .conftest import OpenLedger


def test_an_invocation_ends_its_own_keys_and_each_once(ledger: Ledger, open_again: OpenLedger) -> None:
    other = open_again(id="of another machine")
    ledger.record_run_key("a")
    other.record_run_key("b")
    assert (ledger.run_keys_to_end(), other.run_keys_to_end()) == (["a"], ["b"])
    ledger.end_run_key("a")
    ended = ledger.facts().run_keys
    ledger.end_run_key("a")
    assert ledger.facts().run_keys == ended
    assert ledger.run_keys_to_end() == []
    assert [(key.id, key.run, key.ended_at is None) for key in ended] == [("a", "run", False), ("b", "run", True)]


def test_a_gateway_that_takes_over_finds_the_keys_of_the_dead_one(ledger: Ledger, open_again: OpenLedger) -> None:
    ledger.record_run_key("a")
    assert open_again().run_keys_to_end() == ["a"]


def test_a_session_has_the_key_that_it_was_dialled_with(ledger: Ledger) -> None:
    lease = leased(ledger, ledger.begin_attempt("t", "", 10_000))
    dialled = {ledger.record_dial(lease, None, key): key for key in ("a", None)}
    assert {session.id: session.run_key for session in ledger.facts().sessions} == dialled


NEVER_OPENED = {"handshake_ms": None, "ms": 20}


@pytest.mark.parametrize(
    ("sessions", "keys"),
    [
        ([session(run_key="a"), session(run_key="b")], {"a", "b"}),
        ([session(run_key="a"), session()], set()),
        ([session(run_key="a"), session(handshake_ms=None, ms=None)], set()),
        ([session(run_key="a"), session(**NEVER_OPENED)], {"a"}),
        ([session(run_key="a", **NEVER_OPENED), session()], set()),
        ([session(run_key="a"), session(target="emulator")], {"a"}),
        ([], set()),
    ],
    ids=["two keys", "the given one", "perhaps the given one", "refused", "refused first", "emulated", "none"],
)
def test_a_run_is_told_apart_by_its_keys_where_each_session_that_may_have_opened_had_one(
    sessions: list[SessionFacts], keys: set[str]
) -> None:
    assert facts.run(sessions=tuple(sessions)).own_keys_alone() == keys
