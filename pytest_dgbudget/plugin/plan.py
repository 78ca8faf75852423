"""``--dg-plan``: what the collected tests are likely to spend, against the budgets of the run."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from pytest_dgbudget.config import PLAN_VARIABLE
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError, SettingsError
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.history import past_of
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import open_existing
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.upgrade import create_or_upgrade, is_current
from pytest_dgbudget.model import Invocation
from pytest_dgbudget.paths import open_file
from pytest_dgbudget.plugin.attempts import recorded_name
from pytest_dgbudget.plugin.markers import nearest_first, own_budget
from pytest_dgbudget.plugin.options import FIXTURES, TARGET_MARKER
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.report.plan import PlanDocument, plan_document, plan_text
from pytest_dgbudget.rules.budget import Scope
from pytest_dgbudget.rules.plan import PlannedTest, RunPlan, plan
from pytest_dgbudget.rules.prices import price_table

_OF_EARLIER_VERSION = (
    "the ledger {} is of an earlier version, which the next run upgrades: until then, no test has a past"
)
_NO_LEDGER = "there is no ledger {}: no test has a past, and nothing counts as spent"
_NOT_LIVE = "this run would not be live ({} is its target): the plan is what it would spend if it were"


class PlanOfRun:
    """Plans when the tests are known, and writes the plan where pytest would list them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._run_config = config.stash[STATE].run_config
        self._json_file = os.environ.pop(PLAN_VARIABLE, None)
        self._document: PlanDocument | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_finish(self, session: pytest.Session) -> Generator[None, None, None]:
        option = session.config.option
        option.collectonly = False  # or pytest lists the tests
        try:
            yield
        finally:
            option.collectonly = True
        try:
            self._document = self._plan(session.items)
        except LedgerError as error:
            raise pytest.UsageError(f"pytest-dgbudget: {error}") from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self._document is not None and self._document["fits"] == "no" and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._document is None:
            return
        terminalreporter.section("dgbudget plan", sep="-")
        shows_all = terminalreporter.verbosity > 0
        text = plan_text(
            self._document,
            width=terminalreporter._tw.fullwidth,
            color=bool(terminalreporter.hasmarkup),
            most=None if shows_all else 40,
        )
        terminalreporter.write(text)

    def _plan(self, items: Sequence[pytest.Item]) -> PlanDocument:
        notes = [] if self._run_config.is_live else [_NOT_LIVE.format(self._run_config.target)]
        with closing(self._open_ledger(notes)) as connection, connection.snapshot():
            found = self._planned(connection, items)
        document = plan_document(found, self._run_config, notes)
        if self._json_file is not None:
            _write_json(Path(self._json_file), document)
        return document

    def _open_ledger(self, notes: list[str]) -> Connection:
        """Open the ledger to read it; an empty one in memory stands for one that has nothing to be read."""
        ledger = self._run_config.ledger
        with ExitStack() as opened:
            connection = open_existing(ledger, self._run_config.ledger_password, durable=False)
            if connection is not None:
                opened.callback(connection.close)
                if is_current(connection):
                    opened.pop_all()
                    return connection
        notes.append((_NO_LEDGER if connection is None else _OF_EARLIER_VERSION).format(ledger))
        empty = SqliteConnection(Path(":memory:"), durable=False)
        create_or_upgrade(empty)
        return empty

    def _planned(self, connection: Connection, items: Sequence[pytest.Item]) -> RunPlan:
        run_config = self._run_config
        prices = price_table(run_config.prices, run_config.prices_as_of)
        shared = _shared_scopes(connection, run_config, prices.highest())
        counted = [scope for scope in shared if run_config.billed or scope.name != "window"]
        tests = [test for item in items if (test := self._planned_test(connection, item)) is not None]
        return plan(
            tests,
            counted,
            uncounted=[scope for scope in shared if scope not in counted],
            workers=max(1, min(_workers(self._config), run_config.max_sessions)),
            highest_price=prices.highest(),
        )

    def _planned_test(self, connection: Connection, item: pytest.Item) -> PlannedTest | None:
        """Return what is known of a test that may open a session; None for any other."""
        if _is_never_run(item) or _is_never_billed(item):
            return None
        group = _group_of(item, self._config)
        names = [recorded_name(item.nodeid), *([] if group is None else [recorded_name(f"{item.nodeid}@{group}")])]
        past = past_of(connection, names)
        asks = not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        if not asks and not past.live and not past.emulated:
            return None
        try:
            budget = own_budget(item, self._run_config)
        except SettingsError:  # which is an error of its collection
            return None
        return PlannedTest(
            nodeid=item.nodeid,
            unit=_unit_of(item, self._config),
            copies=_workers(self._config) if self._config.getoption("dist", "no") == "each" else 1,
            budget_ms=budget.budget_ms,
            cost_budget_micro_usd=budget.cost_budget_micro_usd,
            path=budget.path,
            live=past.live,
            emulated=past.emulated,
        )


def _shared_scopes(connection: Connection, run_config: RunConfig, highest_price: int) -> list[Scope]:
    """Return the budgets of the run and its paths, with what earlier ones of its id have used, and every window."""
    invocation = Invocation(
        id="plan",
        run=run_config.run_id,
        target=run_config.recorded_target,
        billed=True,
        tag=run_config.tag,
        budget_ms=run_config.budget_ms,
        cost_budget_micro_usd=run_config.cost_budget_micro_usd,
        host="",
        pid=0,
    )
    shared = SharedBudgets(windows=run_config.windows, paths=run_config.paths)
    ledger = Ledger(connection, invocation, highest_price, shared)
    return [*ledger.scopes_of_run(), *(scope for scope in ledger.shared_scopes() if scope.name == "path")]


def _is_never_run(item: pytest.Item) -> bool:
    """Return whether a mark keeps a test from running, or what is wrong with its condition does."""
    skipping = item.config.pluginmanager.get_plugin("skipping")  # pytest's own: conditions may be text
    if skipping is None:
        return False
    try:
        xfail = None if item.config.option.runxfail else skipping.evaluate_xfail_marks(item)
        return skipping.evaluate_skip_marks(item) is not None or (xfail is not None and not xfail.run)
    except pytest.fail.Exception:
        return True


def _is_never_billed(item: pytest.Item) -> bool:
    marker = next(nearest_first(item, TARGET_MARKER), None)
    return marker is not None and marker.args == ("emulator",)


def _workers(config: pytest.Config) -> int:
    """Return how many processes xdist would have run the tests in."""
    if config.getoption("dist", "no") == "no":
        return 1
    counts = [spec.partition("*")[0] if "*" in spec else "1" for spec in config.getoption("tx", None) or ()]
    return max(1, sum(int(count) for count in counts if count.isdigit()))


def _group_of(item: pytest.Item, config: pytest.Config) -> str | None:
    """Return the group by which xdist keeps a test with others, and which it adds to the test's id."""
    if config.getoption("dist", "no") != "loadgroup":
        return None
    names = {
        str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
        for mark in item.iter_markers("xdist_group")
    }
    return "_".join(sorted(names)) or None


def _unit_of(item: pytest.Item, config: pytest.Config) -> str:
    """Return what xdist hands to a worker as a whole."""
    dist = config.getoption("dist", "no")
    if dist == "loadscope":
        return item.nodeid.rpartition("::")[0]
    if dist == "loadfile":
        return item.nodeid.partition("::")[0]
    return _group_of(item, config) or item.nodeid


def _write_json(path: Path, document: PlanDocument) -> None:
    from json import dumps

    with open_file(path, "w", encoding="utf-8") as file:
        file.write(dumps(document, indent=2))
