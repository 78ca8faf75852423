"""I3 over runs: whatever becomes of some of them, the vendor meters no more than the budget that they share.

Each test of theirs raises its tier, at the worst moment, too. The vendor counts seconds and prices them by itself.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.ledger.opening import open_connection
from tests.process.test_disk import power_fails
from tests.support.postgres import PostgresServer
from tests.support.priced_vendor import PricedVendor
from tests.support.processes import wait_until
from tests.support.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SECONDS, DOLLARS = 18.0, 0.03
KILLED, CUT, *OTHERS = range(4)
LEASES = """SELECT invocation.pid AS pid, lease.ms AS ms, lease.micro_usd AS micro_usd, lease_end.how AS how,
        lease_end.ms AS charged_ms, lease_end.micro_usd AS charged_micro_usd, welcome.request_id AS request_id
    FROM lease JOIN attempt ON attempt.id = lease.attempt JOIN invocation ON invocation.id = attempt.invocation
    JOIN dial ON dial.lease = lease.id LEFT JOIN welcome ON welcome.dial = dial.id
    LEFT JOIN lease_end ON lease_end.lease = lease.id ORDER BY lease.number"""
EITHER = pytest.mark.parametrize("currency", ["time", "money"])


@pytest.fixture
def priced() -> Iterator[PricedVendor]:
    with PricedVendor() as server:
        yield server


class SharingRuns:
    """Four pytests in one project, on one ledger."""

    def __init__(self, project: Project, priced: PricedVendor, ledger: Path | str) -> None:
        project.use("spending/test_shares.py")
        project.expects_log = True
        self._project = project
        self._environ = priced.environ
        self._ledger = ledger

    def start(self, name: str, *options: str, **variables: str) -> subprocess.Popen[str]:
        arguments = (f"--dg-report-dir={name}", "--dg-reconcile=off", "-p", "no:rerunfailures", "test_shares.py")
        return self._project.start(*arguments, *options, env={**self._environ, **variables})

    def leases(self) -> list[Mapping[str, Any]]:
        with closing(open_connection(self._ledger, None, durable=False)) as connection:
            return list(connection.rows(LEASES, {})) if "lease" in connection.tables() else []

    def wait_open(self, pid: int) -> None:
        """Wait until a session of this pytest is open."""
        wait_until(partial(self._has_open, pid), 60)

    def usage(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self._project.path / name / "usage.json").read_text(encoding="utf-8"))
        return document

    def _has_open(self, pid: int) -> bool:
        return any(each["pid"] == pid and each["how"] is None and each["request_id"] for each in self.leases())


def charged(leases: list[Mapping[str, Any]]) -> tuple[float, float]:
    """Return what they were charged, in seconds and in dollars; all of them have ended."""
    assert None not in [each["how"] for each in leases]
    return (
        sum(each["charged_ms"] for each in leases) / 1000,
        sum(each["charged_micro_usd"] for each in leases) / 1_000_000,
    )


def check_spent(priced: PricedVendor, leases: list[Mapping[str, Any]], currency: str) -> None:
    """Neither the vendor nor the ledger has more than the budget, and what was there to spend was spent."""
    by_vendor = (priced.total_seconds, priced.total_dollars)
    for metered, counted in zip(by_vendor, charged(leases), strict=True):
        assert metered <= counted
    spent, budget = (by_vendor[0], SECONDS) if currency == "time" else (by_vendor[1], DOLLARS)
    in_ledger = charged(leases)[0 if currency == "time" else 1]
    assert spent <= in_ledger <= budget
    assert in_ledger > 0.8 * budget
    assert spent > 0.5 * budget


@EITHER
def test_i3_four_runs_with_one_id_on_a_server_of_which_one_is_killed_and_one_is_cut(
    project: Project, priced: PricedVendor, postgres: PostgresServer, currency: str
) -> None:
    ledger = postgres.new_ledger()
    runs = SharingRuns(project, priced, ledger)
    budget = f"--dg-budget={SECONDS}" if currency == "time" else f"--dg-cost-budget={DOLLARS}"
    options = ("--dg-run-id=one", budget)
    started = [
        runs.start(f"report-{number}", *options, DG_LEDGER=f"{ledger}&application_name=run-{number}")
        for number in range(4)
    ]
    runs.wait_open(started[KILLED].pid)
    power_fails(started[KILLED].pid)
    runs.wait_open(started[CUT].pid)
    assert postgres.cut_connections(f"run-{CUT}") > 0
    results = [project.result(process, timeout=120) for process in started]
    assert [results[number].status for number in (CUT, *OTHERS)] == [1, 1, 1], results[CUT].output
    project.result(runs.start("last", *options, DG_LEDGER=ledger))
    priced.wait_closed(1)
    leases = runs.leases()
    check_spent(priced, leases, currency)
    (lost,) = (each for each in leases if each["how"] == "orphaned")
    assert lost["pid"] == started[KILLED].pid
    assert (lost["charged_ms"], lost["charged_micro_usd"]) == (lost["ms"], lost["micro_usd"])
    assert {each.request_id for each in priced.connections} == {each["request_id"] for each in leases}
    check_report(runs.usage("last")["run"], leases)


def check_report(run: Mapping[str, Any], leases: list[Mapping[str, Any]]) -> None:
    """The report of the last has what all have used together."""
    seconds, dollars = charged(leases)
    assert run["used_seconds"] == pytest.approx(seconds)
    assert run["cost_usd"] == pytest.approx(dollars)
    assert (run["sessions"], run["verdict"], run["overshoot_seconds"]) == (len(leases), "overrun", 0)
    assert run["at_risk_seconds"] == sum(each["ms"] for each in leases if each["how"] == "orphaned") / 1000


@EITHER
def test_i3_four_runs_in_one_window_on_one_file_of_which_one_is_killed(
    project: Project, priced: PricedVendor, currency: str
) -> None:
    project.write("dgbudget.toml", f'[window]\nmonth = "{SECONDS}s"\n' if currency == "time" else WINDOW_OF_MONEY)
    runs = SharingRuns(project, priced, project.path / ".dgbudget/ledger.db")
    names = [f"run-{number}" for number in range(4)]
    started = [runs.start(name, "--dg-budget=10m", f"--dg-run-id={name}") for name in names]
    runs.wait_open(started[KILLED].pid)
    power_fails(started[KILLED].pid)
    results = [project.result(process, timeout=120) for process in started]
    last = project.result(runs.start("last", "--dg-budget=10m"))
    assert "month window of" in last.output
    priced.wait_closed(1)
    leases = runs.leases()
    check_spent(priced, leases, currency)
    for name, result in list(zip(names, results, strict=True))[KILLED + 1 :]:
        assert result.status == 1
        assert runs.usage(name)["run"]["verdict"] == "overrun", result.output


WINDOW_OF_MONEY = f'[window]\nmonth = "${DOLLARS}"\n'
