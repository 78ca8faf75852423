"""What a run used, what of it is at risk and what it cost is the same in its report, a comparison and a period."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger.opening import open_connection
from pytest_dgbudget.ledger.period_sums import PeriodSums
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.report.comparison_document import compare
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.spending_figures import SpendingFigures, spending_figures
from pytest_dgbudget.rules.spending import total
from tests.support.postgres import PostgresServer
from tests.support.spent_runs import Together, Took, add_run

DAYS = count()


class Figures(NamedTuple):
    """Those that all must agree on; dollars are None where a part is not known."""

    sessions: int
    ms: int
    micro_usd: int | None
    at_risk_ms: int
    estimated: bool | None


def took(skipped: st.SearchStrategy[float | None]) -> st.SearchStrategy[Took]:
    return st.builds(
        Took,
        seconds=st.integers(1, 30_000).map(lambda ms: ms / 1000),
        micro_usd_per_minute=st.sampled_from([75_000, 75_000, 163_000, None]),
        lost=st.sampled_from([False, False, True]),
        estimated=st.booleans(),
        skipped_seconds=skipped,
    )


def runs(skipped: st.SearchStrategy[float | None]) -> st.SearchStrategy[dict[str, list[Together]]]:
    """Return the leases of some tests; of those that were lost, the statement may have something."""
    lease = st.builds(
        Together,
        sessions=st.lists(took(skipped), min_size=1, max_size=3),
        stated_seconds=st.none() | st.integers(0, 60_000).map(lambda ms: ms / 1000),
    )
    return st.dictionaries(st.sampled_from(["a", "b"]), st.lists(lease, min_size=1, max_size=3), min_size=1)


LIVE = st.tuples(st.sampled_from(["live", "rehearsal"]), runs(st.none()))
EMULATED = st.tuples(st.just("emulator"), runs(st.none() | st.integers(0, 20_000).map(lambda ms: ms / 1000)))
Reported = Callable[[str, dict[str, list[Together]]], tuple[UsageDocument, SpendingFigures]]


@pytest.fixture(params=["sqlite", "postgres"], scope="module")
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """Have a run; return its document and what a period has of it."""
    address: str | Path = tmp_path_factory.mktemp("sums") / "ledger.db"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        address = server.new_ledger()

    def report(target: str, tests: dict[str, list[Together]]) -> tuple[UsageDocument, SpendingFigures]:
        since = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(days=next(DAYS))
        run = f"run of {since:%Y-%m-%d}"
        add_run(address, run, write_instant(since), tests, target=target, reconciled=False)
        with closing(open_connection(address, None, durable=False)) as connection:
            document = usage_document(LedgerReader(connection).facts(run))
            of_runs = PeriodSums(connection, since, since + timedelta(days=1)).by_run()
        return document, spending_figures(total(of_runs.values()))

    return report


@pytest.mark.slow
@settings(max_examples=50)
@given(LIVE | EMULATED)
def test_run_comparison_and_period_agree(reported: Reported, opened: tuple[str, dict[str, list[Together]]]) -> None:
    document, of_period = reported(*opened)
    of_run, of_comparison = of_document(document), of_spending(compare(document, document)["after"]["spending"])
    assert of_run == of_comparison == of_spending(of_period)
    assert of_run.at_risk_ms == sum(in_thousandths(test["at_risk_seconds"]) for test in document["tests"])


def of_document(document: UsageDocument) -> Figures:
    """Return the run's figures, with what its emulated sessions skipped."""
    run = document["run"]
    skipped_ms, skipped_micro_usd = 0, 0
    for session in document["sessions"] if run["target"] == "emulator" else []:
        if session["seconds"] is not None and session["forecast_seconds"] is not None:
            skipped_ms += in_thousandths(session["forecast_seconds"]) - in_thousandths(session["seconds"])
        if session["cost_usd"] is not None and session["forecast_usd"] is not None:
            skipped_micro_usd += round(1e6 * session["forecast_usd"]) - round(1e6 * session["cost_usd"])
    return Figures(
        run["sessions"],
        in_thousandths(run["used_seconds"]) + skipped_ms,
        None if run["cost_usd"] is None else round(1e6 * run["cost_usd"]) + skipped_micro_usd,
        in_thousandths(run["at_risk_seconds"]),
        run["estimated"],
    )


def of_spending(figures: SpendingFigures) -> Figures:
    cost = figures["cost_usd"]
    return Figures(
        figures["sessions"],
        in_thousandths(figures["seconds"]),
        None if cost is None else round(1e6 * cost),
        in_thousandths(figures["at_risk_seconds"]),
        figures["estimated"],
    )


def in_thousandths(value: float) -> int:
    return round(1000 * value)
