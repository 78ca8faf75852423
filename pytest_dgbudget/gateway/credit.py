"""The project's balance, read once, when a live run opens its first session, and held against what it may spend."""

from __future__ import annotations

import asyncio

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import DgBudgetError, LedgerError, ReconciliationError
from pytest_dgbudget.gateway.events import CreditProblem, Events
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.vendor_requests import ask_within
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.rules.credit import Balance, credit_problem, most_spent

# How long a session waits for it where it must be known: clients give up opening after 10 s.
_SECONDS = 5.0
_GO_ON = "dgbudget doctor says what the key may read; to go on without, set dg_credit = warn"


class CreditMissing(Exception):
    """The balance is not known to cover the run, and nothing may be dialled without; ``status`` is for the client."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(f"nothing is opened (dg_credit = require): {why}")
        self.status = status


class Credit:
    """The credit of one run."""

    def __init__(
        self,
        run_config: RunConfig,
        access: ApiAccess | None,
        ledger: Ledger,
        ledger_thread: LedgerThread,
        events: Events,
        highest_price: int,
    ) -> None:
        self._how = run_config.credit if run_config.is_live else "off"
        self._access = access
        self._ledger = ledger
        self._ledger_thread = ledger_thread
        self._events = events
        self._highest_price = highest_price
        self._reading: asyncio.Future[None] | None = None
        self._missing: CreditMissing | None = None
        self._may_ask_again = False

    @property
    def kept_all_out(self) -> bool:
        """True where nothing was opened because the balance was not known to be enough."""
        return self._missing is not None

    async def ready(self) -> None:
        """Return when a session may be dialled: at once, unless the balance is required. Raises CreditMissing."""
        if self._how == "off":
            return
        if self._reading is None or (self._reading.done() and self._may_ask_again):
            self._reading = asyncio.ensure_future(self._read())
        if self._how == "require":
            await asyncio.shield(self._reading)
            if self._missing is not None:
                raise self._missing

    def end(self) -> None:
        """Wait for it no longer."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        self._missing, self._may_ask_again = None, False
        try:
            balance = await ask_within(_SECONDS, self._access, _balance_of, "credit")
            scopes = await self._ledger_thread.call(self._ledger.scopes_of_run)
        except (ReconciliationError, LedgerError) as error:
            self._not_known(error)
            return
        most = most_spent(scopes, self._highest_price)
        problem = None if most is None else credit_problem(balance, most)
        if problem is None:
            return
        if self._how == "require":
            self._refuse(402, problem)
        else:
            self._events.emit(CreditProblem(problem=problem))

    def _not_known(self, error: DgBudgetError) -> None:
        """Where the balance is only to be warned of, a key that may not read it is no news in each run."""
        if self._how == "require":
            self._may_ask_again = isinstance(error, ReconciliationError) and error.temporary
            self._refuse(503, f"the project's balance could not be read: {error}; {_GO_ON}")

    def _refuse(self, status: int, why: str) -> None:
        self._missing = CreditMissing(why, status)
        problem = f"sessions were refused ({status} {codes.CREDIT}), because dg_credit = require: {why}"
        self._events.emit(CreditProblem(problem=problem))


def _balance_of(access: ApiAccess, timeout: Timeout) -> Balance:
    from pytest_dgbudget.deepgram.balances import BalancesApi

    api = BalancesApi(access, timeout)
    api.find_project()
    return api.balance()
