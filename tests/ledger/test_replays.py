"""Replays in the ledger: they take nothing, are known as such from the dial on, and count in nothing that is billed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import SessionFacts
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.replays import mismatch_in
from pytest_dgbudget.model import MeasuredTurn, Mismatch, Replayed, UsageRecord
from tests.ledger.conftest import OpenLedger
from tests.support.ledger import leased, sums, usage

FOLDER = "tests/cassettes/test_it"
TURN = MeasuredTurn(
    started_ms=1, since="text", answered_ms=2, overlapped=False, unpaced=False, continued=False, function_ms=0
)
MISMATCH = Mismatch(cassette=f"{FOLDER}/1", line=3, what="other words", differences=("/content", "- a", "+ ü"))


@pytest.fixture
def live(open_again: OpenLedger) -> Ledger:
    return open_again(target="live", billed=True, budget_ms=2000)


def record_of(dial: str, replay: Replayed, **fields: Any) -> UsageRecord:
    """What a replay comes to that went on for half a minute when it was recorded."""
    forecast: dict[str, Any] = {"skipped_ms": 30_000, "forecast_micro_usd": 37_500}
    return replace(usage(dial, 0), replay=replay, micro_usd=0, turns=(TURN,), **{**forecast, **fields})


def replayed(ledger: Ledger, replay: Replayed, nodeid: str = "t") -> SessionFacts:
    """Replay one session of a test, to its end."""
    lease, dial = ledger.begin_replay(ledger.begin_attempt(nodeid, "", 10_000), FOLDER)
    ledger.record_usage(record_of(dial, replay))
    ledger.settle(lease, 0, 0)
    return next(each for each in ledger.facts().sessions if each.id == dial)


def test_a_replay_takes_nothing_whatever_is_left(live: Ledger) -> None:
    attempt = live.begin_attempt("spends", "", 10_000)
    lease = leased(live, attempt)
    assert sums(live, attempt)["run"] == (0, 2000), "the run has nothing left"
    replayed(live, Replayed(cassette=f"{FOLDER}/1"))
    assert sums(live, attempt)["run"] == (0, 2000)
    live.settle(lease, 1500)
    assert sums(live, attempt)["run"] == (1500, 0)


def test_a_dial_is_known_as_a_replay_before_its_session_has_ended(live: Ledger) -> None:
    live.begin_replay(live.begin_attempt("t", "", 10_000), FOLDER)
    (session,) = live.facts().sessions
    assert (session.target, session.replayed_from, session.usage) == ("replay", FOLDER, None)


def test_what_became_of_a_replay_is_kept(live: Ledger) -> None:
    hit = replayed(live, Replayed(cassette=f"{FOLDER}/1", recorded_at="2026-11-01T10:00:00.000Z"))
    assert (hit.cassette, hit.cassette_recorded_at) == (f"{FOLDER}/1", "2026-11-01T10:00:00.000Z")
    assert (hit.replay_result, hit.mismatch, hit.ms, hit.forecast_ms) == ("hit", None, 0, 30_000)
    miss = replayed(live, Replayed(cassette=f"{FOLDER}/1", mismatch=MISMATCH))
    assert miss.replay_result == "miss"
    assert miss.mismatch is not None
    assert mismatch_in(miss.mismatch) == MISMATCH
    of_none = replayed(live, Replayed(mismatch=replace(MISMATCH, cassette=FOLDER)))
    assert (of_none.replay_result, of_none.cassette) == ("miss", None), "no cassette has its Settings"


def test_nothing_is_claimed_of_a_replay_of_which_nothing_is_known(open_again: OpenLedger) -> None:
    live = open_again(target="live", billed=True)
    ended_before_its_settings = replayed(live, Replayed())
    assert ended_before_its_settings.replay_result is None
    live.begin_replay(live.begin_attempt("t", "", 10_000), FOLDER)
    assert [each.replay_result for each in live.facts().sessions] == [None, None], "under way"
    live.close()
    facts = open_again(id="later", target="live", billed=True).facts()
    assert [(each.closed_by, each.replay_result) for each in facts.sessions][1:] == [("gateway-lost", None)]


def test_of_a_session_that_was_dialled_the_cassette_made_of_it_is_kept_once(live: Ledger) -> None:
    dial = live.record_dial(leased(live, live.begin_attempt("t", "", 2000)))
    live.record_usage(usage(dial, 1000))
    assert [each.replay_result for each in live.facts().sessions] == [None]
    for _ in range(2):
        live.record_made_cassette(dial, f"{FOLDER}/1")
    (session,) = live.facts().sessions
    assert (session.cassette, session.replay_result, session.replayed_from) == (f"{FOLDER}/1", "recorded", None)


def test_i11_what_is_replayed_in_a_live_run_counts_in_no_figure_of_it(live: Ledger) -> None:
    replayed(live, Replayed(cassette=f"{FOLDER}/1"))
    own = live.facts().of_own_target()
    assert (own.sessions, own.turns) == ((), ())


def test_where_the_run_itself_is_replayed_its_sessions_are_its_own(open_again: OpenLedger) -> None:
    run = open_again(target="replay")
    session = replayed(run, Replayed(cassette=f"{FOLDER}/1"))
    own = run.facts().of_own_target()
    assert (session.target, own.sessions) == (None, (session,))
    assert len(own.turns) == 1


def test_nobody_waits_for_the_statement_of_a_run_that_was_replayed(
    open_again: OpenLedger, connection: Connection
) -> None:
    replayed(open_again(target="replay"), Replayed(cassette=f"{FOLDER}/1"))
    assert LedgerReader(connection).pending_runs() == []


def test_a_replay_whose_gateway_died_is_charged_nothing(open_again: OpenLedger) -> None:
    lost = open_again(target="live", billed=True)
    lost.begin_replay(lost.begin_attempt("t", "", 10_000), FOLDER)
    lost.close()
    later = open_again(id="later", target="live", billed=True)
    facts = later.facts()
    assert [(lease.how, lease.charged_ms, lease.charged_micro_usd) for lease in facts.leases] == [("orphaned", 0, 0)]
    assert [(each.closed_by, each.replayed_from) for each in facts.sessions] == [("gateway-lost", FOLDER)]
