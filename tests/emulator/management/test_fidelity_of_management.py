"""The page's section "Management API" says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_dgbudget.emulator.management.api import OPERATIONS
from pytest_dgbudget.emulator.management.routes import NOT_EMULATED
from pytest_dgbudget.emulator.project.prices import USD_PER_MINUTE

MANAGEMENT_API = Path(__file__).parents[3] / "pytest_dgbudget" / "emulator" / "management"
PAGE = Path(__file__).parents[3] / "docs" / "emulator-fidelity.md"
SECTION = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
(MANAGEMENT,) = [part for part in SECTION if part.startswith("Management API\n")]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in MANAGEMENT.splitlines() if line.startswith("| ")
]


def test_every_operation_is_listed_once_with_what_the_emulator_does_and_needs() -> None:
    rows = [(operation, state, scope) for operation, state, scope, *_ in ROWS if re.match(r"`[A-Z]+ /", operation)]
    scopes = {name: f"`{operation.scope}`" if operation.scope else "-" for name, operation in OPERATIONS.items()}
    emulated = [(f"`{name}`", "emulated", scope) for name, scope in scopes.items()]
    assert sorted(rows) == sorted(emulated + [(f"`{name}`", "answers 501", "-") for name in NOT_EMULATED])


def test_every_operation_has_a_source_and_says_how_it_differs() -> None:
    for row in ROWS:
        if re.match(r"`[A-Z]+ /", row[0]):
            assert len(row) == 5, row
            assert all(row), row


def test_every_refusal_is_listed_and_no_other() -> None:
    listed = {(int(status), code) for status, codes, *_ in ROWS if status.isdigit() for code in _names(codes)}
    raised = {
        (int(status), code)
        for source in MANAGEMENT_API.glob("*.py")
        for status, code in re.findall(r'Refusal\(\s*(\d{3}),\s*"([^"]+)"', source.read_text(encoding="utf-8"))
    }
    of_the_socket = {(401, "INSUFFICIENT_PERMISSIONS")}
    assert listed == raised | of_the_socket


def test_every_price_is_listed() -> None:
    tiers = {_names(tier)[0]: float(usd) for tier, usd, *_ in ROWS if re.fullmatch(r"[0-9.]+", usd)}
    assert tiers == USD_PER_MINUTE


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)
