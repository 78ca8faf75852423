"""Open the run's ledger, and hold the lock that says that this gateway serves the run."""

from __future__ import annotations

from pathlib import Path

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger.changes import Changes
from pytest_dgbudget.ledger.connection import LedgerNotWritable
from pytest_dgbudget.ledger.holders import Holders, holders_of
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import changes_of, open_connection
from pytest_dgbudget.ledger.run_lock import RunLock, one_of
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.model import Invocation
from pytest_dgbudget.paths import make_folder, make_private_folder, why_no_ledger
from pytest_dgbudget.protocol.startup import GatewayConfig
from pytest_dgbudget.rules.prices import price_table


class RunLedger:
    """The ledger of one invocation. ``notice`` says where it is instead, when it could not be where it should.

    ``folder`` has the run's lock once the ledger is open, and what belongs to this gateway there is called by ``name``:
    a run whose ledger is a file has one, and on a server many serve it together.

    Its methods block; they run on the ledger thread.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._run_config = config.run_config
        self._prices = price_table(self._run_config.prices, self._run_config.prices_as_of)
        self._lock: RunLock | None = None
        self._ledger = config.run_config.ledger
        self.folder = config.run_config.state_dir
        self.notice: str | None = None
        run, on_server = self._run_config.run_id, isinstance(self._run_config.ledger, str)
        self.name = one_of(run, f"{config.invocation}{config.elsewhere or ''}") if on_server else run

    def open(self) -> Ledger:
        """Return the ledger; raises LedgerError. An emulated run falls back to a temporary one."""
        try:
            return self._open(self._run_config.ledger, self._run_config.state_dir)
        except LedgerNotWritable:
            if self._run_config.is_live or self._run_config.ledger_given:
                raise
        self.release()
        folder = Path(self._config.temporary_folder)
        try:
            make_private_folder(folder)
        except OSError as error:
            raise LedgerNotWritable(
                f"the ledger {self._run_config.ledger} can't be written, and neither can a temporary one: {error}; "
                "name another ledger with --dg-ledger=sqlite:///PATH"
            ) from error
        self.folder, ledger = folder, folder / "ledger.db"
        self.notice = f"the ledger {self._run_config.ledger} can't be written, so this run's is {ledger}"
        return self._open(ledger, folder)

    def changes(self) -> Changes:
        """Return what tells when others change the ledger, once that is open."""
        return changes_of(self._ledger, self._config.ledger_password)

    def release(self) -> None:
        """Let another gateway serve the run."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _open(self, ledger: Path | str, state_dir: Path) -> Ledger:
        try:
            make_folder(state_dir)
            if isinstance(ledger, Path):
                _refuse_unfit(state_dir)
            self._lock = RunLock(state_dir, self.name)
        except OSError as error:
            raise LedgerNotWritable(_why_not(state_dir, ledger, error)) from error
        try:
            return self._begun(ledger, state_dir)
        except LedgerError:
            self.release()  # with its file: nobody serves the run
            raise

    def _begun(self, ledger: Path | str, state_dir: Path) -> Ledger:
        connection = open_connection(ledger, self._config.ledger_password, durable=self._run_config.is_live)
        self._ledger = ledger
        opened = Ledger(connection, self._invocation(), self._prices.highest(), self._shared_budgets())

        def holders() -> Holders:
            """Know nothing from earlier: they are asked for as long as the run lasts."""
            return holders_of(ledger, connection, state_dir, self._config.host, own_run=self._run_config.run_id)

        opened.begin(
            lambda lease: holders().may_hold(lease),
            lambda run, gateway: holders().serves(run, gateway),
            takes_over=self._config.takes_over,
        )
        return opened

    def _shared_budgets(self) -> SharedBudgets:
        run_config = self._run_config
        return SharedBudgets(windows=run_config.windows, paths=run_config.paths, sessions=run_config.project_sessions)

    def _invocation(self) -> Invocation:
        return Invocation(
            id=self._config.invocation,
            run=self._run_config.run_id,
            target=self._run_config.recorded_target,
            billed=self._run_config.billed,
            tag=self._run_config.tag,
            budget_ms=self._run_config.budget_ms,
            host=self._config.host,
            pid=self._config.pid,
            may_bypass=self._run_config.may_bypass,
            prices_as_of=self._prices.as_of,
            pace=self._run_config.pace,
            cost_budget_micro_usd=self._run_config.cost_budget_micro_usd,
        )


def _why_not(folder: Path, ledger: Path | str, error: OSError) -> str:
    if isinstance(ledger, Path):
        to_do = "make it writable or name another ledger with --dg-ledger=sqlite:///PATH"
        return f"the ledger's folder {folder} can't be written: {error}; {to_do}"
    return (
        f"the folder {folder} can't be written, where each run on the ledger {ledger} has its lock and its recordings: "
        f"{error}; make it writable or choose another folder for it with --rootdir"
    )


def _refuse_unfit(folder: Path) -> None:
    lacks = why_no_ledger(folder)
    if lacks is not None:
        raise LedgerNotWritable(
            f"the ledger can't be in the folder {folder}: {lacks}; "
            "name a ledger on a local disk with --dg-ledger=sqlite:///PATH or DG_LEDGER"
        )
