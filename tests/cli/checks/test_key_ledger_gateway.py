"""The key by its shape, a ledger that is left as it is, and a gateway that opens a session."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_dgbudget.cli.checks import gateway
from pytest_dgbudget.cli.checks.key import check_key
from pytest_dgbudget.cli.checks.ledger import check_ledger
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from tests.cli.checks.configured import KEY, configured
from tests.support.ledger import open_ledger
from tests.support.processes import children_of

VERSION_4 = Path(__file__).parents[2] / "ledger/version-4.sql"


@pytest.mark.parametrize(
    ("key", "given", "result", "said"),
    [
        (KEY, {}, "ok", "DEEPGRAM_API_KEY has the shape of a key"),
        ("dummy-key", {}, "warning", "has not the shape of a Deepgram key"),
        ("0" * 40, {}, "warning", "has not the shape of a Deepgram key"),
        ("dgemu_" + KEY, {}, "failed", "is a key of the emulator"),
        ("dgemu_" + KEY, {"dg_agent_url": "ws://127.0.0.1:1/v1/agent/converse"}, "ok", "has the shape"),
        ("", {}, "skipped", "DEEPGRAM_API_KEY is not set"),
        ("", {"dg_target": "live"}, "failed", "DEEPGRAM_API_KEY is not set"),
    ],
)
def test_the_key_is_judged_by_its_shape_and_never_shown(
    key: str, given: dict[str, str], result: str, said: str, tmp_path: Path
) -> None:
    check = check_key(configured(tmp_path, key, **given))
    assert check.result == result
    assert said in check.found
    assert (check.to_do is None) == (result == "ok")
    assert not key or key not in f"{check}"


def test_where_the_key_may_be_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_TEST_KEY", KEY)
    check = check_key(configured(tmp_path, ""))
    assert "DEEPGRAM_TEST_KEY may be the key" in (check.to_do or "")
    assert KEY not in f"{check}"


def test_a_ledger_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    check = check_ledger(configured(tmp_path))
    assert check.result == "ok"
    assert "not there yet, and can be made (file system: " in check.found
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_is_tried_and_left_as_it_is(tmp_path: Path) -> None:
    open_ledger(tmp_path / ".dgbudget/ledger.db").close()
    before = (tmp_path / ".dgbudget/ledger.db").read_bytes()
    check = check_ledger(configured(tmp_path))
    assert (check.result, "can be written, and has 1 run (file" in check.found) == ("ok", True)
    assert (tmp_path / ".dgbudget/ledger.db").read_bytes() == before
    assert [path.name for path in (tmp_path / ".dgbudget").iterdir() if path.name != ".gitignore"] == ["ledger.db"]


def test_a_ledger_of_an_earlier_version_is_not_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as ledger:
        ledger.executescript(VERSION_4.read_text(encoding="utf-8"))
    check = check_ledger(configured(tmp_path, dg_ledger=f"sqlite:///{path}"))
    assert check.result == "ok", check
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("SELECT MAX(version) FROM schema").fetchall() == [(4,)]


def test_a_ledger_of_a_later_version_fails(tmp_path: Path) -> None:
    open_ledger(tmp_path / ".dgbudget/ledger.db").close()
    with closing(SqliteConnection(tmp_path / ".dgbudget/ledger.db", durable=False)) as connection:
        connection.execute("INSERT INTO schema (version, writable_from) VALUES (99, 99)", {})
    check = check_ledger(configured(tmp_path))
    assert check.result == "failed"
    assert "has version 99" in check.found


@pytest.mark.parametrize(("key", "result"), [(KEY, "failed"), ("", "warning")])
def test_what_is_no_ledger_fails_where_something_is_spent(key: str, result: str, tmp_path: Path) -> None:
    (tmp_path / ".dgbudget").mkdir()
    (tmp_path / ".dgbudget/ledger.db").write_text("my notes", encoding="utf-8")
    check = check_ledger(configured(tmp_path, key))
    assert check.result == result
    assert check.to_do
    assert (tmp_path / ".dgbudget/ledger.db").read_text(encoding="utf-8") == "my notes"


def test_a_gateway_starts_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    others = set(children_of(os.getpid()))
    check = gateway.check_gateway()
    assert check.result == "ok", check
    assert set(children_of(os.getpid())) <= others
    assert list(tmp_path.iterdir()) == []


def test_a_gateway_that_can_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    check = gateway.check_gateway()
    assert check.result == "failed"
    assert "No such file or directory: '/no/such/python'" in check.found


def test_a_gateway_that_opens_no_session_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_ATTEMPT", replace(gateway._ATTEMPT, budget_ms=0))
    check = gateway.check_gateway()
    assert check.result == "failed"
    assert "a session is refused: 402" in check.found
