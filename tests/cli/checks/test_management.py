"""What the key may do, in which project, and what is left there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cli.checks.bounded import bounded
from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.cli.checks.management import check_management
from tests.cli.checks.configured import KEY, configured
from tests.support.statement import Answer, Asked, Bill, refusal

NO_SCOPE = refusal(403, "INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions.")


@pytest.fixture
def bill() -> Iterator[Bill]:
    with Bill(KEY) as server:
        server.overrides["unknown"] = server.overrides["keys"] = _of_project
        yield server


def _of_project(asked: Asked) -> Answer | None:
    """What the tests' bill has not: balances, and keys."""
    if asked.path.endswith("/balances"):
        return Answer.json({"balances": [{"amount": 12.5, "units": "USD"}, {"amount": 0.25, "units": "USD"}]})
    return Answer.json({"api_keys": [{"api_key": {}}]}) if asked.path.endswith("/keys") else None


def lines_of(bill: Bill, folder: Path, **given: str) -> dict[str, Check]:
    return {check.name: check for check in check_management(configured(folder, **given), bill.url, KEY)}


def test_a_key_that_may_do_all_is_ok_in_each_line(bill: Bill, tmp_path: Path) -> None:
    lines = lines_of(bill, tmp_path)
    assert {(check.result, check.to_do) for check in lines.values()} == {("ok", None)}
    assert lines["project"].found == f"{bill.projects[0]}, the key's only one"
    assert lines["balance"].found == "$12.75"


@pytest.mark.parametrize(
    ("call", "path", "name", "scope"),
    [
        ("list", "", "may read usage", "usage:read"),
        ("unknown", "balances", "may read billing", "billing:read"),
        ("keys", "keys", "may read keys", "keys:read"),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_scope_that_the_key_seems_to_lack(
    call: str, path: str, name: str, scope: str, status: int, bill: Bill, tmp_path: Path
) -> None:
    refused = refusal(status, "INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions.")
    bill.overrides[call] = lambda asked: refused if path in asked.path else _of_project(asked)
    lines = lines_of(bill, tmp_path)
    assert lines[name].result == "warning"
    assert "INSUFFICIENT_PERMISSIONS" in lines[name].found
    assert scope in (lines[name].to_do or "")
    others = {each.name: each.result for each in lines.values() if each.name not in {name, "balance"}}
    assert set(others.values()) == {"ok"}
    assert lines["balance"].result == ("skipped" if "billing" in name else "ok")


def test_what_require_needs_is_needed(bill: Bill, tmp_path: Path) -> None:
    bill.overrides["list"] = lambda _: NO_SCOPE
    assert lines_of(bill, tmp_path, dg_reconcile="require")["may read usage"].result == "failed"


def test_a_key_that_is_refused_fails_and_nothing_else_is_asked(bill: Bill, tmp_path: Path) -> None:
    bill.key = "another"
    first, *rest = lines_of(bill, tmp_path).values()
    assert (first.name, first.result) == ("management API", "failed")
    assert "the key is refused" in first.found
    assert KEY not in first.found
    assert {check.result for check in rest} == {"skipped"}
    assert len(bill.asked) == 1


def test_of_several_projects_one_has_to_be_named(bill: Bill, tmp_path: Path) -> None:
    bill.projects = ["one", "two"]
    lines = lines_of(bill, tmp_path)
    assert (lines["project"].result, lines["project"].found) == ("warning", "the key sees 2 projects: one, two")
    assert "DEEPGRAM_PROJECT_ID" in (lines["project"].to_do or "")
    assert lines["may read usage"].result == "skipped"
    assert lines_of(bill, tmp_path, dg_project="two")["project"].found == "two, as it was named"


def test_a_project_that_the_key_does_not_see_is_said(bill: Bill, tmp_path: Path) -> None:
    lines = lines_of(bill, tmp_path, dg_project="elsewhere")
    assert lines["project"].result == "warning"
    assert lines["project"].found.startswith("elsewhere was named, and the key does not see it")


def test_a_key_that_may_not_list_projects_can_do_in_one_that_is_named(bill: Bill, tmp_path: Path) -> None:
    bill.overrides["projects"] = lambda _: NO_SCOPE
    lines = lines_of(bill, tmp_path, dg_project="a-project")
    assert lines["management API"].result == "warning"
    assert "project:read" in (lines["management API"].to_do or "")
    assert lines["may read usage"].result == "ok"
    assert lines_of(bill, tmp_path)["may read usage"].result == "skipped"


@pytest.mark.parametrize(
    ("balances", "budget", "result", "found"),
    [
        ([{"amount": 5, "units": "USD"}], "10m", "ok", "$5.00"),
        (
            [{"amount": 1.5, "units": "USD"}],
            "10m",
            "warning",
            "$1.50; a run may spend $1.63 (run budget 10m, dearest tier)",
        ),
        ([{"amount": -2.5, "units": "USD"}], "", "warning", "$-2.50: nothing is left"),
        ([{"amount": "5", "units": "USD"}], "", "warning", "unknown: the API shows no amount in dollars"),
        ([{"amount": 5, "units": "hour"}], "", "warning", "unknown: the API shows no amount in dollars"),
        ([], "", "warning", "unknown: the API shows no amount in dollars"),
    ],
)
def test_i7_the_balance_is_held_against_what_a_run_may_spend_and_unknown_is_no_zero(
    balances: list[Any], budget: str, result: str, found: str, bill: Bill, tmp_path: Path
) -> None:
    body = Answer.json({"balances": balances})
    bill.overrides["unknown"] = lambda asked: body if "balances" in asked.path else _of_project(asked)
    line = lines_of(bill, tmp_path, **({"dg_budget": budget} if budget else {}))["balance"]
    assert (line.result, line.found) == (result, found)


def test_an_api_that_is_not_there_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_dgbudget.deepgram.transport._PAUSES_SECONDS", (0.01,))
    checks = list(check_management(configured(tmp_path), "http://127.0.0.1:1", KEY))
    assert checks[0].result == "warning"
    assert "http://127.0.0.1:1 can't be reached" in checks[0].found
    assert {check.result for check in checks[1:]} == {"skipped"}


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    ends = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        bounded(ends.wait, 0.05)
    ends.set()
