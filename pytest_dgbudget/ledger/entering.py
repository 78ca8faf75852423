"""How an invocation is entered into the ledger, with its run."""

from __future__ import annotations

from dataclasses import asdict

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.ledger import sql
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.model import Invocation


def enter(connection: Connection, invocation: Invocation, *, takes_over: bool) -> None:
    """Enter an invocation, within a transaction; one that a gateway ``takes_over`` is there already.

    Raises LedgerError where it is not, and where its run has another target.
    """
    truths = {"billed": int(invocation.billed), "may_bypass": int(invocation.may_bypass)}
    row = {**asdict(invocation), **truths, "at": utc_now()}
    known = connection.rows(sql.FIND_RUN, {"run": invocation.run})
    if not known:
        connection.execute(sql.INSERT_RUN, row)
    elif (target := known[0]["target"]) != invocation.target:
        raise LedgerError(
            f"run id {invocation.run!r} was already used for target {target!r} and can't be used for "
            f"{invocation.target!r} as well; choose another --dg-run-id"
        )
    is_entered = bool(connection.rows(sql.FIND_INVOCATION, {"id": invocation.id}))
    if takes_over and not is_entered:
        raise LedgerError(
            f"the ledger {connection.name} has lost what this run put into it, so nothing can be reported"
        )
    if not is_entered:
        connection.execute(sql.INSERT_INVOCATION, row)
