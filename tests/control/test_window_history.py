"""A billed run whose windows find no past in their ledger says so, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.control.window_history import remark_on_history
from pytest_dgbudget.errors import SettingsError
from tests.support.ledger import open_ledger

WINDOW = '[window]\nday = "2h"\n'
KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"


def run_config(folder: Path, toml: str = WINDOW, **given: str) -> RunConfig:
    (folder / "dgbudget.toml").write_text(toml, encoding="utf-8")
    command_line = {"dg_budget": "1m", **given}
    environment = {"DEEPGRAM_API_KEY": KEY}
    return resolve(command_line=command_line, environment=environment, ini={}, rootdir=folder, current_dir=folder)


def has_run(folder: Path, *, billed: bool) -> None:
    open_ledger(folder / ".dgbudget/ledger.db", target="live" if billed else "emulator", billed=billed).close()


@pytest.mark.parametrize("ledger", ["none", "of emulated runs"])
def test_windows_that_find_no_billed_run_say_so(tmp_path: Path, ledger: str) -> None:
    if ledger != "none":
        has_run(tmp_path, billed=False)
    file = tmp_path / ".dgbudget/ledger.db"
    said = f"the windows find no earlier billed run in the ledger {file}: they count from this run on"
    assert remark_on_history(run_config(tmp_path), {}) == said
    in_ci = "; a job in CI begins with an empty file: have all jobs share a ledger with DG_LEDGER=postgresql://…"
    assert remark_on_history(run_config(tmp_path), {"CI": "true"}) == said + in_ci


def test_with_a_past_there_is_nothing_to_say(tmp_path: Path) -> None:
    has_run(tmp_path, billed=True)
    assert remark_on_history(run_config(tmp_path, f"{WINDOW}require_history = true\n"), {"CI": "true"}) is None


@pytest.mark.parametrize(("toml", "target"), [("", "live"), (WINDOW, "emulator")])
def test_a_run_that_no_window_counts_asks_nothing(tmp_path: Path, toml: str, target: str) -> None:
    assert remark_on_history(run_config(tmp_path, toml, dg_target=target), {"CI": "true"}) is None


def test_where_a_past_is_required_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"asks for an earlier billed run, and the ledger .* has none"):
        remark_on_history(run_config(tmp_path, f"{WINDOW}require_history = true\n"), {})


def test_a_ledger_that_cannot_be_read_is_an_error_only_where_a_past_is_required(tmp_path: Path) -> None:
    (tmp_path / ".dgbudget").mkdir()
    (tmp_path / ".dgbudget/ledger.db").write_text("no ledger", encoding="utf-8")
    assert remark_on_history(run_config(tmp_path), {}) is None
    with pytest.raises(SettingsError, match="can't be read"):
        remark_on_history(run_config(tmp_path, f"{WINDOW}require_history = true\n"), {})
