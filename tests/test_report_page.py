"""docs/report-command.md: its commands, run over the ledger that it speaks of."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.report import comparison_text, period_text, run_csv
from tests.support.spent_runs import Took, add_run

PAGE = (Path(__file__).parent.parent / "docs/report-command.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```sh\n(dgbudget report [^\n]*)\n```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
STATUS, REFUND = "tests/test_orders.py::test_status", "tests/test_orders.py::test_refund"
INTERRUPTED, TRANSFER = "tests/test_calls.py::test_interrupted", "tests/test_calls.py::test_transfer"


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dgbudget").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ".dgbudget/ledger.db"
    advanced = Took(seconds=31.0, tier="advanced", micro_usd_per_minute=163_000)
    add_run(path, "8120-1", "2026-10-05T09:00:00.000Z", {STATUS: [12.0], REFUND: [14.0]})
    add_run(path, "8123-1", "2026-11-02T09:00:00.000Z", {STATUS: [12.0], REFUND: [14.0], INTERRUPTED: [20.5]})
    add_run(path, "8124-1", "2026-11-03T09:00:00.000Z", {STATUS: [12.4], REFUND: [14.1, 13.9], TRANSFER: [advanced]})


@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[command for command, _ in SHOWN])
def test_each_command_prints_what_the_page_shows(
    command: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(command)[1:]) == 0
    found = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert found == [line.rstrip() for line in printed.splitlines()]


def test_there_is_an_example_of_each_kind() -> None:
    assert [next(iter(re.findall(r"--(?:since|compare)", command)), "run") for command, _ in SHOWN] == [
        "run",
        "--compare",
        "--since",
    ]


def test_what_is_shown_fits_80_columns() -> None:
    assert max(len(line) for _, printed in SHOWN for line in printed.splitlines() if not line.startswith("used ")) <= 80


@pytest.mark.parametrize("columns", [run_csv.COLUMNS, comparison_text.COLUMNS, period_text.COLUMNS])
def test_each_column_of_csv_is_named(columns: tuple[str, ...]) -> None:
    assert set(columns) <= set(re.findall(r"`([a-z_0-9]+)`", PAGE))
