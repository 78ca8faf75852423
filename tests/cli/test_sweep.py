"""``dgbudget sweep``: what a crash left in the ledger and at the vendor is ended, and what may be in use is not."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger.run_lock import RunLock
from tests.support.ledger import leased, open_ledger, rows_of
from tests.support.rehearsal import Rehearsal, rehearsal

HERE = gethostname()
SECONDS = 10_000
CLOSED = "http://127.0.0.1:9"  # the port of discard, which nobody serves


@pytest.fixture(scope="module")
def _emulator() -> Iterator[Rehearsal]:
    with rehearsal() as running:
        yield running


@pytest.fixture
def vendor(_emulator: Rehearsal) -> Iterator[Rehearsal]:
    """A vendor without keys of ours."""
    yield _emulator
    _emulator.refuse_nothing()
    for key in _emulator.made_keys():
        _emulator.ask("DELETE", f"keys/{key}")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, in which commands run."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / ".dgbudget").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def with_key(vendor: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    for name in ("DEEPGRAM_API_KEY", "DEEPGRAM_PROJECT_ID", "DG_API_URL"):
        monkeypatch.setenv(name, vendor.environ[name])
    return vendor


class Lost:
    """A run whose gateway is gone: a lease with a session that nobody saw end, and perhaps a key."""

    def __init__(self, folder: Path, run: str = "lost", *, host: str = HERE, key: str | None = None) -> None:
        ledger = open_ledger(
            folder / ".dgbudget/ledger.db", live=frozenset({"lost", "other"}), id=f"of-{run}", run=run, host=host
        )
        ledger.record_dial(leased(ledger, ledger.begin_attempt("t", "", SECONDS)))
        if key is not None:
            ledger.record_run_key(key)
        ledger.close()


def ends(folder: Path) -> list[tuple[Any, ...]]:
    return rows_of(folder, "SELECT how, ms FROM lease_end")


def run_sweep(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["sweep", "--json", *arguments])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, document


def test_a_lease_whose_gateway_is_gone_is_orphaned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lost(folder)
    status, document = run_sweep(capsys)
    assert status == 0
    ((lease),) = document["leases"]
    assert (lease["run"], lease["result"], lease["seconds"]) == ("lost", "orphaned", 10.0)
    assert ends(folder) == [("orphaned", SECONDS)]
    status, document = run_sweep(capsys)
    assert (status, document["leases"], document["keys"], document["problems"]) == (0, [], [], [])


def test_a_dry_run_says_the_same_and_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lost(folder)
    _, document = run_sweep(capsys, "--dry-run")
    assert document["dry_run"]
    assert [lease["result"] for lease in document["leases"]] == ["orphaned"]
    assert ends(folder) == []
    assert rows_of(folder, "SELECT * FROM usage") == []


def test_a_lease_of_a_run_that_is_served_is_left_open(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lost(folder)
    lock = RunLock(folder / ".dgbudget", "lost")
    assert [lease["result"] for lease in run_sweep(capsys)[1]["leases"]] == ["open"]
    assert ends(folder) == []
    lock.release()


@pytest.mark.parametrize(("minutes_ago", "result"), [(4, "open"), (6, "orphaned")])
def test_a_lease_of_another_machine_is_left_open_until_its_time_has_passed(
    folder: Path, capsys: pytest.CaptureFixture[str], minutes_ago: int, result: str
) -> None:
    """Within five minutes, that machine's clock may be behind ours."""
    Lost(folder, host="elsewhere")
    ends_at = write_instant(datetime.now(timezone.utc) - timedelta(minutes=minutes_ago))
    change(folder, f"UPDATE lease SET ends_at = '{ends_at}'")
    assert [lease["result"] for lease in run_sweep(capsys)[1]["leases"]] == [result]


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / ".dgbudget/ledger.db")) as connection, connection:
        connection.execute(statement)


def test_a_key_that_the_ledger_knows_is_deleted_and_noted(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    key = with_key.make_key("whatever it is called")
    Lost(folder, key=key)
    status, document = run_sweep(capsys)
    assert (status, document["keys"]) == (0, [{"id": key, "run": "lost", "result": "deleted", "why": ""}])
    assert with_key.made_keys() == {}
    assert rows_of(folder, "SELECT run_key FROM run_key_end") == [(key,)]
    assert run_sweep(capsys)[1]["keys"] == []


def test_a_key_with_our_comment_is_deleted_and_others_are_none_of_our_business(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder)
    ours, theirs = with_key.make_key("dgbudget lost"), with_key.make_key("production")
    status, document = run_sweep(capsys)
    assert (status, [(key["id"], key["result"]) for key in document["keys"]]) == (0, [(ours, "deleted")])
    assert set(with_key.made_keys()) == {theirs}


@pytest.mark.parametrize("how", ["dry run", "its run is served", "not in this ledger", "begun on another machine"])
def test_a_key_that_may_be_in_use_is_kept(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    run = "unheard-of" if how == "not in this ledger" else "lost"
    key = with_key.make_key(f"dgbudget {run}")
    Lost(folder, host="elsewhere" if how == "begun on another machine" else HERE)
    lock = RunLock(folder / ".dgbudget", "lost") if how == "its run is served" else None
    status, document = run_sweep(capsys, *(["--dry-run"] if how == "dry run" else []))
    assert status == 0
    assert [key["result"] for key in document["keys"]] == ["deleted" if how == "dry run" else "kept"]
    assert set(with_key.made_keys()) == {key}
    if lock is not None:
        lock.release()


def test_a_key_of_a_run_that_has_ended_elsewhere_is_deleted(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    with_key.make_key("dgbudget lost")
    Lost(folder, host="elsewhere")
    change(folder, "INSERT INTO invocation_end SELECT id, 0, at FROM invocation")
    assert [key["result"] for key in run_sweep(capsys)[1]["keys"]] == ["deleted"]
    assert with_key.made_keys() == {}


def test_a_key_that_the_project_has_not_may_be_anothers_and_is_not_said_to_be_gone(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder, key="no-longer-there")
    status, document = run_sweep(capsys)
    assert (status, [key["result"] for key in document["keys"]]) == (0, ["not found"])


def test_without_a_key_leases_are_ended_and_it_says_what_was_not_looked_for(
    folder: Path, vendor: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    key = vendor.make_key("dgbudget lost")
    Lost(folder, key=key)
    status, document = run_sweep(capsys)
    assert (status, [each["result"] for each in document["keys"]]) == (1, ["not looked for"])
    assert "set DEEPGRAM_API_KEY" in document["keys"][0]["why"]
    assert ends(folder) == [("orphaned", SECONDS)]
    assert set(vendor.made_keys()) == {key}


def test_an_api_that_refuses_is_a_problem_and_leases_are_ended(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder, key=with_key.make_key("dgbudget lost"))
    with_key.refuse(403)
    status, document = run_sweep(capsys)
    assert (status, len(document["problems"])) == (1, 1)
    assert "does the key have the scope keys:read?" in document["problems"][0]
    assert ends(folder) == [("orphaned", SECONDS)]


@pytest.mark.parametrize("expected", [False, True])
def test_an_api_that_cannot_be_asked_is_a_problem_only_where_keys_may_be_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], expected: bool
) -> None:
    Lost(folder)
    monkeypatch.setenv("DEEPGRAM_API_KEY", "a" * 40)
    monkeypatch.setenv("DEEPGRAM_PROJECT_ID", "p")
    monkeypatch.setattr("pytest_dgbudget.cli.sweep._API_SECONDS", 0.2)  # for which it would be asked again and again
    (folder / "pytest.ini").write_text(f"[pytest]\ndg_run_key = {'on' if expected else 'off'}\n", encoding="utf-8")
    status, document = run_sweep(capsys, f"--api-url={CLOSED}")
    ((said),) = document["problems" if expected else "remarks"]
    assert status == (1 if expected else 0)
    assert document["remarks" if expected else "problems"] == []
    assert "see whether this machine reaches it (proxy, firewall), and --api-url" in said
    assert ends(folder) == [("orphaned", SECONDS)]


def test_each_key_that_was_not_looked_for_says_why_by_itself(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder, key=with_key.make_key("dgbudget lost"))
    with_key.refuse(403)
    assert [key["why"] for key in run_sweep(capsys)[1]["keys"]] == ["the vendor's keys could not be looked at"]


@pytest.mark.parametrize("command", [["sweep"], ["support-bundle", "lost"]])
def test_the_target_of_the_next_run_says_nothing_of_those_that_have_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    Lost(folder)
    monkeypatch.setenv("DG_TARGET", "live")
    monkeypatch.setenv("DG_AGENT_URL", "ws://voice.example/agent")
    assert main(command) == 0


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder for this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left_by(run: str, folder: Path, temporary_folder: Path) -> list[Path]:
    """Make what a killed run leaves, an hour ago."""
    state = folder / ".dgbudget"
    recording = state / f"run-{run}.recordings" / "attempt" / "session.jsonl"
    recording.parent.mkdir(parents=True)
    recording.write_text("{}", encoding="utf-8")
    scripts = temporary_folder / f"dgbudget-scripts-{run}"
    scripts.mkdir(mode=0o700)
    (scripts / "script.js").write_text("", encoding="utf-8")
    log, lock = state / f"gateway-{run}-1.log", state / f"run-{run}.lock"
    log.touch()
    lock.touch()
    for path in (scripts, log):
        os.utime(path, (time.time() - 3600,) * 2)
    return [recording.parent.parent, scripts, log, lock]


def test_the_files_of_a_dead_run_are_removed(
    folder: Path, temporary_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder)
    left = left_by("lost", folder, temporary_folder)
    for dry_run in (["--dry-run"], []):
        assert all(path.exists() for path in left)
        status, document = run_sweep(capsys, *dry_run)
        assert (status, [file["path"] for file in document["files"]]) == (0, [str(path) for path in left])
        assert {file["result"] for file in document["files"]} == {"removed"}
    assert not any(path.exists() for path in left)
    assert run_sweep(capsys)[1]["files"] == []


def test_the_files_of_a_live_run_stay(folder: Path, temporary_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lost(folder)
    left = left_by("lost", folder, temporary_folder)
    lock = RunLock(folder / ".dgbudget", "lost")
    scripts = os.open(left[1], os.O_RDONLY)
    fcntl.flock(scripts, fcntl.LOCK_SH)
    assert run_sweep(capsys)[1]["files"] == []
    assert all(path.exists() for path in left)
    os.close(scripts)
    lock.release()


def test_a_log_with_something_in_it_stays(
    folder: Path, temporary_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder)
    _, _, log, _ = left_by("lost", folder, temporary_folder)
    log.write_text("a traceback", encoding="utf-8")
    os.utime(log, (time.time() - 3600,) * 2)
    assert "log" not in [file["kind"] for file in run_sweep(capsys)[1]["files"]]
    assert log.exists()


def test_without_a_key_it_says_that_the_vendors_keys_were_not_looked_at(
    folder: Path, temporary_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder)
    assert main(["sweep"]) == 0
    capsys.readouterr()
    assert main(["sweep"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "nothing is left here of any run",
        "the vendor's keys were not looked at: DEEPGRAM_API_KEY is not set",
    ]


def test_the_table_has_a_line_for_each(folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    key = with_key.make_key("dgbudget lost")
    Lost(folder, key=key)
    assert main(["sweep", "--dry-run"]) == 0
    lease, listed, last = capsys.readouterr().out.splitlines()
    assert lease.split()[0::2][0] == "lease"
    assert "run lost  orphaned  10s charged" in lease
    assert f"key    {key}" in listed
    assert last == "nothing was changed: this is what would be done"
    with_key.refuse(403)
    assert main(["sweep"]) == 1
    output = capsys.readouterr().out
    assert "\nthe vendor's keys could not be looked at: the keys: HTTP 403" in output
    assert with_key.given_key not in output


def test_nothing_left_is_said(folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]) -> None:
    open_ledger(folder / ".dgbudget/ledger.db").close()
    assert main(["sweep"]) == 0
    assert capsys.readouterr().out == "nothing is left of any run\n"


def test_without_a_ledger_it_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sweep"])
    assert ended.value.code == 2
    assert "name another one with --ledger" in capsys.readouterr().err


def test_the_key_is_sent_to_no_other_machine_in_plain_text(
    folder: Path, with_key: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    Lost(folder)
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "--api-url=http://api.example"])
    assert ended.value.code == 2
    assert "in plain text" in capsys.readouterr().err
    assert ends(folder) == [], "nothing is done before all is known to be right"
