"""``dgbudget ledger vacuum``: what it says and does, its archive, and that nothing is lost where it is killed."""

from __future__ import annotations

import gzip
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.ledger.run_lock import RunLock
from pytest_dgbudget.ledger.vacuum import REMOVED
from tests.cli.conftest import DGBUDGET
from tests.support.aged import age, age_on_server
from tests.support.ledger import locked
from tests.support.past import live_run, spend
from tests.support.postgres import PostgresServer

RECONCILED = {"verdict": "reconciled", "project": None}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, in which commands run."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / ".dgbudget").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(folder: Path) -> Path:
    """Two runs of forty days ago, one that is pending, and one of today."""
    path = folder / ".dgbudget/ledger.db"
    ended(path, "old-1", 2, 3)
    ended(path, "old-2", 4)
    ended(path, "unsettled", 1, verdict="pending")
    age(path, 40)
    ended(path, "new", 1)
    return path


def ended(path: Path | str, run: str, *seconds: float, verdict: str = "reconciled") -> None:
    with closing(live_run(path, run)) as ledger:
        for each in seconds:
            spend(ledger, round(each * 1000))
        ledger.record_reconciliation({**RECONCILED, "verdict": verdict})
        ledger.end_invocation(0)


def vacuum(capsys: pytest.CaptureFixture[str], *arguments: str, before: str = "30d") -> tuple[int, dict[str, Any]]:
    status = main(["ledger", "vacuum", "--before", before, "--json", *arguments])
    printed, complaints = capsys.readouterr()
    assert complaints == ""
    document: dict[str, Any] = json.loads(printed)
    return status, document


def text(capsys: pytest.CaptureFixture[str], *arguments: str, before: str = "30d") -> list[str]:
    assert main(["ledger", "vacuum", "--before", before, *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended_with:
        main(["ledger", *arguments])
    assert ended_with.value.code == 2
    printed, complaints = capsys.readouterr()
    assert (printed, complaints.count("\n")) == ("", 1)
    return complaints


def rows_in(path: Path) -> Counter[str]:
    """Every row of a ledger that vacuum may remove, as text."""
    rows: Counter[str] = Counter()
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        for table in REMOVED:
            rows.update(as_text(table, dict(row)) for row in connection.execute(f"SELECT * FROM {table}"))
    return rows


def rows_of_archive(path: Path) -> Counter[str]:
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    rows = [line for line in lines if line.get("table") not in (None, "run")]
    assert lines[-1] == {"runs": lines[-1]["runs"], "rows": len(lines) - 2}
    return Counter(as_text(line["table"], line["row"]) for line in rows)


def as_text(table: str, row: dict[str, Any]) -> str:
    return json.dumps([table, row], sort_keys=True)


# What it does ---------------------------------------------------------------------------------------------------------


def test_old_runs_go_into_an_archive_and_out_of_the_ledger(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows_in(ledger)
    status, document = vacuum(capsys)
    archive = Path(document["archive"])
    day = (datetime.now(timezone.utc) - timedelta(days=30)).date()
    assert archive == ledger.parent / "archive" / f"ledger-before-{day}.jsonl.gz"
    assert {name: document[name] for name in ("runs", "sessions", "seconds", "cost_usd", "dry_run", "kept")} == {
        "runs": 2,
        "sessions": 3,
        "seconds": 9.0,
        "cost_usd": 0.01125,
        "dry_run": False,
        "kept": [{"run": "unsettled", "why": "pending"}],
    }
    assert (status, document["before"]) == (0, f"{day}T00:00:00.000Z")
    assert rows_of_archive(archive) + rows_in(ledger) == before
    assert not rows_of_archive(archive) & rows_in(ledger)
    head = json.loads(gzip.decompress(archive.read_bytes()).splitlines()[0])
    assert (head["format"], head["before"]) == ("dgbudget.archive/1", document["before"])


def test_what_it_says(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = text(capsys)
    assert re.fullmatch(r"archive: .*/\.dgbudget/archive/ledger-before-[\d-]+\.jsonl\.gz", lines[0])
    assert lines[1:3] == [
        "removed the details of 2 runs: 3 sessions, 9s, $0.01125",
        "1 run stays, since its reconciliation is pending (dgbudget reconcile --pending): unsettled",
    ]
    assert re.fullmatch(r"ledger: [\d.]+ MB, now [\d.]+ MB", lines[3])
    day = (datetime.now(timezone.utc) - timedelta(days=30)).date()
    assert text(capsys) == [f"nothing to remove: no run that could be archived ended before {day}", lines[2]]


def test_a_terminal_is_shown_how_far_it_is_and_with_json_nothing(
    ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    vacuum(capsys, before="38d")
    ended(ledger, "older", 1)
    age(ledger, 40)
    main(["ledger", "vacuum", "--before", "30d"])
    shown = capsys.readouterr().err
    assert "archiving runs" in shown
    assert "removing runs" in shown


def test_a_dry_run_says_the_same_and_changes_nothing(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows_in(ledger)
    lines = text(capsys, "--dry-run")
    assert lines[0] == "would remove the details of 2 runs: 3 sessions, 9s, $0.01125"
    assert lines[-1] == "nothing was changed: this is what would be done"
    _, document = vacuum(capsys, "--dry-run")
    assert (document["archive"], document["runs"], document["seconds"]) == (None, 2, 9.0)
    assert rows_in(ledger) == before
    assert not (ledger.parent / "archive").exists()


def test_the_archive_goes_where_it_is_wanted_beside_others(
    ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, document = vacuum(capsys, "--archive-dir", "kept", before="2026-01-01")
    assert document["archive"] is None, "nothing is that old, so there is nothing to write"
    (folder / "kept").mkdir()
    day = (datetime.now(timezone.utc) - timedelta(days=30)).date()
    (folder / f"kept/ledger-before-{day}.jsonl.gz").write_bytes(b"")
    _, document = vacuum(capsys, "--archive-dir", "kept")
    assert document["archive"] == f"kept/ledger-before-{day}-2.jsonl.gz"


def test_without_an_archive_nothing_is_removed(ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows_in(ledger)
    (folder / "file").touch()
    assert main(["ledger", "vacuum", "--before", "30d", "--archive-dir", "file/below"]) == 1
    printed, complaints = capsys.readouterr()
    assert complaints.startswith("dgbudget ledger vacuum: no archive can be written to file/below: ")
    assert complaints.endswith("nothing was removed; name another folder with --archive-dir\n")
    assert (printed, rows_in(ledger)) == ("", before)


@pytest.mark.parametrize("again", [False, True])
def test_the_file_gets_smaller(ledger: Path, capsys: pytest.CaptureFixture[str], again: bool) -> None:
    """The first time it is written anew, from then on in small steps."""
    if again:
        vacuum(capsys)
        ended(ledger, "old-3", 1)
        age(ledger, 40)
        ended(ledger, "newer", 1)
    with closing(sqlite3.connect(ledger)) as connection:  # a long run
        of_run = "SELECT dial.id FROM dial JOIN lease ON lease.id = dial.lease WHERE lease.run = ?"
        (dial,) = connection.execute(of_run, ["old-3" if again else "old-1"]).fetchone()
        what = [(dial, number, "x" * 2000) for number in range(300)]
        connection.executemany("INSERT INTO violation VALUES (?, ?, 'rule', 0, ?)", what)
        connection.commit()
    size = ledger.stat().st_size
    _, document = vacuum(capsys)
    assert document["ledger_bytes_before"] - document["ledger_bytes_after"] > 500_000
    assert document["ledger_bytes_after"] == ledger.stat().st_size < size - 500_000
    assert document["why_not_smaller"] is None


def test_while_a_gateway_lives_its_room_is_kept(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = RunLock(ledger.parent, "going-on")
    try:
        _, document = vacuum(capsys)
    finally:
        lock.release()
    assert document["runs"] == 2
    assert document["why_not_smaller"] == (
        "the file keeps its size, and later runs use its room: going-on would have to wait while it is written anew"
    )


def test_a_run_that_is_live_stays(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = RunLock(ledger.parent, "old-1")
    try:
        _, document = vacuum(capsys)
    finally:
        lock.release()
    assert {"run": "old-1", "why": "live"} in document["kept"]
    assert document["runs"] == 1


def test_who_writes_meanwhile_is_waited_for(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(ledger) as other:
        process = subprocess.Popen(
            [*DGBUDGET, "ledger", "vacuum", "--before", "30d", "--json"], stdout=subprocess.PIPE, text=True
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        other.execute("ROLLBACK")
        printed, _ = process.communicate(timeout=30)
    assert json.loads(printed)["runs"] == 2


# What others make of it afterwards ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["reconcile", "old-1"], ["support-bundle", "old-1"]])
def test_commands_for_a_run_say_that_it_is_archived(
    ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    _, document = vacuum(capsys)
    monkeypatch.setenv("DEEPGRAM_API_KEY", "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab")
    with pytest.raises(SystemExit):
        main(command)
    said = capsys.readouterr().err
    assert f"run 'old-1' was archived on {datetime.now(timezone.utc):%Y-%m-%d}" in said
    assert Path(document["archive"]).name in said


# Usage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "dgbudget ledger: the following arguments are required: COMMAND"),
        (["prune"], "invalid choice: 'prune'"),
        (["vacuum"], "dgbudget ledger vacuum: the following arguments are required: --before"),
        (["vacuum", "--before", "2999-01-01"], "--before: '2999-01-01' is not in the past, so its runs have not ended"),
        (["vacuum", "--before", "soon"], "--before: 'soon' is neither a period"),
        (["vacuum", "--before", "1999-12-31"], "before the year 2000"),
    ],
)
def test_bad_usage_is_one_line(
    ledger: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert said in refused(capsys, *arguments)


def test_without_a_ledger_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no ledger" in refused(capsys, "vacuum", "--before", "30d")


@pytest.mark.parametrize("arguments", [["--help"], ["vacuum", "--help"]])
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended_with:
        main(["ledger", *arguments])
    assert ended_with.value.code == 0
    assert "example: dgbudget ledger vacuum --before 90d" in capsys.readouterr().out


# On a server ----------------------------------------------------------------------------------------------------------


def test_a_ledger_on_a_server_is_vacuumed_as_well(
    postgres: PostgresServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.new_ledger()
    ended(url, "old", 2, 3)
    age_on_server(postgres, url)
    with closing(live_run(url, "new")) as ledger:
        spend(ledger)
        _, document = vacuum(capsys, "--ledger", url)
    assert (document["runs"], document["seconds"], document["kept"]) == (1, 5.0, [])
    assert Path(document["archive"]).parent == folder / ".dgbudget/archive"
    assert document["why_not_smaller"] is None
    assert sum(rows_of_archive(Path(document["archive"])).values()) > 10
    assert postgres.execute("SELECT run FROM lease", url) == [("new",)]


def test_on_a_server_a_run_whose_gateway_lives_stays_wherever_that_is(
    postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.new_ledger()
    with closing(live_run(url, "silent")) as ledger:
        spend(ledger)
        ledger.record_reconciliation(RECONCILED)
        age_on_server(postgres, url)
        ended(url, "new", 1)
        _, document = vacuum(capsys, "--ledger", url)
        assert (document["runs"], document["kept"]) == (0, [{"run": "silent", "why": "live"}])
    _, document = vacuum(capsys, "--ledger", url)
    assert document["runs"] == 1


# Killed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_where_it_is_killed_nothing_is_lost(ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sooner and later: each row is in the ledger or in an archive, and the next one ends what was begun."""
    for number in range(60):
        ended(ledger, f"many-{number}", *[0.1] * 20)
    age(ledger, 40)
    ended(ledger, "newest", 1)
    before = rows_in(ledger)
    command = [*DGBUDGET, "ledger", "vacuum", "--before", "30d"]
    killed = 0
    for delay in [0.25 + 0.05 * step for step in range(14)]:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
        archived: Counter[str] = Counter()
        for path in (ledger.parent / "archive").glob("*.jsonl.gz"):
            archived |= rows_of_archive(path)
        assert archived | rows_in(ledger) == before
    assert killed
    vacuum(capsys)
    assert not list((ledger.parent / "archive").glob(".*"))
    _, document = vacuum(capsys)
    assert document["runs"] == 0
