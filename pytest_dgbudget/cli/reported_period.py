"""What all runs of a period have spent, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from pytest_dgbudget.cli.bars import Shown, Steps
from pytest_dgbudget.cli.ledger import holders_in, open_ledger
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.ledger.period_sums import PeriodSums, used_of_window
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.report.charged import set_aside_ms
from pytest_dgbudget.report.period_document import (
    PeriodDocument,
    PeriodSpending,
    RunJudgement,
    UsedWindow,
    dearest_runs,
    period_document,
)
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.rules.prices import price_table


def reported_period(
    run_config: RunConfig, since: datetime, before: datetime, shown: Shown, *, most: int
) -> PeriodDocument:
    """Return the document of a period, held against that of the same length before it; raises LedgerError.

    ``most``: how many tests and runs are listed.
    """
    with open_ledger(run_config) as connection, shown as bars:
        done = bars.begin("reading the ledger", None)
        with connection.snapshot():
            period = _period(connection, since, before, done)
            previous = _period(connection, since - (before - since), since, done)
            windows = [*_windows(connection, run_config)]
        going_on = _going_on(connection, run_config, period)
        period = period._replace(set_aside={(each.target, run): set_aside_ms(each) for run, each in going_on.items()})
        judgements = _judgements(connection, dearest_runs(period, most), going_on, done)
    return period_document(period, previous, judgements, windows, most=most)


def _period(connection: Connection, since: datetime, before: datetime, done: Steps) -> PeriodSpending:
    sums = PeriodSums(connection, since, before)
    runs, archived = sums.by_run(), sums.archived()
    done(0)
    tests = sums.by_test()
    done(0)
    return PeriodSpending(since, before, runs, archived, tests, sums.by_tier(), replays=sums.replays())


def _windows(connection: Connection, run_config: RunConfig) -> Iterator[UsedWindow]:
    highest = price_table(run_config.prices, run_config.prices_as_of).highest()
    today = connection.now().date()
    for window in run_config.windows:
        used = used_of_window(connection, window, today, highest)
        yield UsedWindow(window.period, window.currency, used, window.allowed)


def _going_on(connection: Connection, run_config: RunConfig, period: PeriodSpending) -> dict[str, RunFacts]:
    """Return the runs of a period that still go on, without what their tests use elsewhere than they do."""
    reader, runs = LedgerReader(connection), {key.run for key in period.runs}
    live = holders_in(connection, run_config).live(runs)
    return {run: reader.facts(run).under_way().of_own_target() for run in live}


def _judgements(
    connection: Connection, runs: list[str], going_on: Mapping[str, RunFacts], done: Steps
) -> dict[str, RunJudgement]:
    reader = LedgerReader(connection)
    judgements = {}
    for number, run in enumerate(runs, start=1):
        judgements[run] = _judgement(going_on.get(run) or reader.facts(run))
        done(number, len(runs), "reading runs")
    return judgements


def _judgement(facts: RunFacts) -> RunJudgement:
    document = usage_document(facts)
    return RunJudgement(document["run"]["verdict"], document["reconciliation"]["verdict"])
