"""Two hundred faults in a hundred thousand sessions: each is found, and nobody else accused."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from pytest_dgbudget.rules.comparison import Ours, OwnSession, VendorRow
from pytest_dgbudget.rules.drift import Drift, by_key, drift_of
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation, judge
from pytest_dgbudget.rules.totals import NO_TOTAL, counted

from .billing import PRICES, TERMS, Billing, metered, statement
from .reconciliation import NOW_MS

_RUN_OF = 200
_DAY_MS = 24 * 3_600_000
_HONEST = Billing(
    clock=200e-6,
    counts_handshake=False,
    counts_close=True,
    rounds=None,
    shows_durations=True,
    shows_tags=True,
    elapsed="billed",
)
# How many of each; the drift is of every session of one run.
_FAULTS = {
    "missing-at-vendor": 40,
    "missing-in-ledger": 40,
    "duplicate": 39,
    "duration": 60,
    "wrong-rate": 20,
    "drift": 1,
}
_NO_FAULTS = {"midnight": 20, "lag": 20, "other tags": 20, "other keys": 20}


@dataclass
class Period:
    """Runs of 200 sessions, every second one under a key of its own, and what was done to their statement."""

    size: int
    random: Random = field(default_factory=lambda: Random(18))
    sessions: list[OwnSession] = field(default_factory=list)
    rows: list[VendorRow] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)
    ours: Ours = field(init=False)

    def __post_init__(self) -> None:
        runs = range(self.size // _RUN_OF)
        tags, keys = (f"dgbudget-{run}" for run in runs), (f"key-{run}" for run in runs if run % 2)
        self.ours = Ours(tags=frozenset(tags), keys=frozenset(keys))
        for number in range(self.size):
            self.add(number)
        faults = [kind for kind, times in {**_FAULTS, **_NO_FAULTS}.items() for _ in range(times)]
        untouched = self.random.sample(range(2 * _RUN_OF, self.size), len(faults))
        for kind, at in zip(faults, untouched, strict=True):
            getattr(self, f"make_{kind.replace('-', '_').replace(' ', '_')}")(at)
        self.random.shuffle(self.rows)

    def add(self, number: int) -> None:
        session = metered(number, self.random, run=str(number // _RUN_OF))
        self.sessions.append(session)
        self.rows.append(self.row_of(session))

    def row_of(self, session: OwnSession, ms: int | None = None) -> VendorRow:
        ms = _HONEST.billed_ms(session, self.random) if ms is None else ms
        key = f"key-{session.run}" if int(session.run) % 2 else "the project's"
        return _HONEST.row(session, ms, self.random, tags=frozenset([f"dgbudget-{session.run}"]), key_id=key)

    def made(self, kind: str, at: int) -> None:
        self.done[self.sessions[at].request_id or ""] = kind

    def make_missing_at_vendor(self, at: int) -> None:
        self.rows[at] = replace(self.rows[at], request_id=f"nobody's-{at}", tags=frozenset(), key_id=None)
        self.made("missing-at-vendor", at)

    def make_missing_in_ledger(self, at: int) -> None:
        self.rows.append(replace(self.rows[at], request_id=f"unlogged-{at}"))
        self.done[f"unlogged-{at}"] = "missing-in-ledger"

    def make_duplicate(self, at: int) -> None:
        self.rows.append(replace(self.rows[at], created_ms=NOW_MS))
        self.made("duplicate", at)

    def make_duration(self, at: int) -> None:
        self.sessions[at] = replace(self.sessions[at], ms=20_000)
        self.rows[at] = self.row_of(self.sessions[at], self.random.choice([10_000, 23_000, 60_000]))
        self.made("duration", at)

    def make_wrong_rate(self, at: int) -> None:
        """All of this tier cost a tenth more."""
        self.sessions[at] = replace(self.sessions[at], tier="advanced")
        row = self.row_of(self.sessions[at])
        assert row.micro_usd is not None
        self.rows[at] = replace(row, micro_usd=row.micro_usd * 11 // 10)
        self.made("wrong-rate", at)

    def make_drift(self, at: int) -> None:
        """All of run 1, which has a key of its own and nothing else wrong with it."""
        for number in range(_RUN_OF, 2 * _RUN_OF):
            session = self.sessions[number]
            self.rows[number] = self.row_of(session, (session.ms or 0) + 1900)

    def make_midnight(self, at: int) -> None:
        """It begins two seconds before midnight, UTC, and is billed as ever."""
        midnight_ms = NOW_MS // _DAY_MS * _DAY_MS - 2 * _DAY_MS
        ms = self.sessions[at].ms or 0
        self.sessions[at] = replace(self.sessions[at], opened_at_ms=midnight_ms - 2000, ended_at_ms=midnight_ms + ms)
        self.rows[at] = self.row_of(self.sessions[at])

    def make_lag(self, at: int) -> None:
        """It has just ended, and its row has not settled."""
        self.sessions[at] = replace(self.sessions[at], ended_at_ms=NOW_MS - 1000)
        self.rows[at] = replace(self.rows[at], settled=False, duration_ms=None, elapsed_ms=None, micro_usd=0)
        self.made("pending", at)

    def make_other_tags(self, at: int) -> None:
        self.rows.append(
            replace(self.rows[at], request_id=f"other-{at}", tags=frozenset(["dgbudget-elsewhere"]), key_id="theirs")
        )

    def make_other_keys(self, at: int) -> None:
        self.rows.append(replace(self.rows[at], request_id=f"other-{at}", tags=None, key_id="theirs"))

    def judged(self) -> tuple[Reconciliation, dict[str, Drift]]:
        hours_ms = sum(row.duration_ms or 0 for row in self.rows if self.ours.has(row))
        result = judge(self.sessions, statement(self.rows, hours_ms, self.ours), self.ours, _TERMS)
        drifts = {
            key: drift_of(lines, _TERMS.drift, counted(lines, self.ours, _TERMS), NO_TOTAL)
            for key, lines in by_key(result.lines, self.ours.keys).items()
        }
        return result, drifts


_TERMS = replace(TERMS, prices=PRICES)


@pytest.mark.parametrize("size", [4000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_each_fault_is_found_and_nobody_else_accused(size: int) -> None:
    period = Period(size)
    begun = time.process_time()
    result, drifts = period.judged()
    assert time.process_time() - begun < 20
    found = {line.request_id: line.kind for line in result.lines if line.kind not in {"matched", "within-tolerance"}}
    assert found == period.done
    assert Counter([*found.values(), "drift"]) == {**_FAULTS, "pending": _NO_FAULTS["lag"]}
    assert [key for key, drift in drifts.items() if drift.verdict == "discrepancy"] == ["key-1"]
    assert (drifts["key-1"].direction, drifts["key-1"].mean_ms) == ("more", 1900)
    assert result.drift is not None
    assert result.drift.verdict == "reconciled"
    assert [(rate.tier, rate.wrong) for rate in result.rates] == [("advanced", True), ("standard", False)]
    assert sum(len(line.own) for line in result.lines) == size
    assert "80 other agent sessions" in result.remarks[0]


@pytest.mark.slow
def test_ten_thousand_sessions_and_rows_take_at_most_a_tenth_of_250_mib() -> None:
    """Memory is traced slowly, and grows with their number."""
    tracemalloc.start()
    try:
        Period(10_000).judged()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 25 * 2**20
