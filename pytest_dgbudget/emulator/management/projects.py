"""The key's only project, and its balance (vendor's pages "List/Get a Project", "List/Get a Project Balance")."""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.account.billing import Account
from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.call import Call

_NAME = "pytest-dgbudget emulator"


def list_projects(call: Call) -> dict[str, Any]:
    return {"projects": [{"project_id": call.account.project_id, "name": _NAME}]}


def get_project(call: Call) -> dict[str, Any]:
    return {"project_id": call.account.project_id, "name": _NAME, "mip_opt_out": False}


def list_balances(call: Call) -> dict[str, Any]:
    return {"balances": [_balance(call.account)]}


def get_balance(call: Call) -> dict[str, Any]:
    if call.ids != (call.account.balance_id,):
        raise Refusal(404, "BALANCE_NOT_FOUND", "Balance not found.")  # the emulator's choice
    return _balance(call.account)


def _balance(account: Account) -> dict[str, Any]:
    return {
        "balance_id": account.balance_id,
        "amount": account.balance_usd(),
        "units": "USD",
        "purchase_order_id": "emulated free credit",
    }
