"""The key's only project, and its balance (vendor's pages "List/Get a Project", "List/Get a Project Balance")."""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.emulator.http import Refusal
from pytest_dgbudget.emulator.management.request import AuthorizedRequest
from pytest_dgbudget.emulator.project.billing import Project

_NAME = "pytest-dgbudget emulator"


def list_projects(request: AuthorizedRequest) -> dict[str, Any]:
    return {"projects": [{"project_id": request.project.id, "name": _NAME}]}


def get_project(request: AuthorizedRequest) -> dict[str, Any]:
    return {"project_id": request.project.id, "name": _NAME, "mip_opt_out": False}


def list_balances(request: AuthorizedRequest) -> dict[str, Any]:
    return {"balances": [_balance(request.project)]}


def get_balance(request: AuthorizedRequest) -> dict[str, Any]:
    if request.ids != (request.project.balance_id,):
        raise Refusal(404, "BALANCE_NOT_FOUND", "Balance not found.")  # the emulator's choice
    return _balance(request.project)


def _balance(project: Project) -> dict[str, Any]:
    return {
        "balance_id": project.balance_id,
        "amount": project.balance_usd(),
        "units": "USD",
        "purchase_order_id": "emulated free credit",
    }
