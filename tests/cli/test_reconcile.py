"""``dgbudget reconcile``, in this process: which runs it asks for, what it records, says, and exits with."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.ledger.run_lock import RunLock
from tests.support.comparison import at
from tests.support.ended_runs import PENDING, EndedRuns, bills, tables
from tests.support.ledger import ends_of_leases, open_ledger, rows_of
from tests.support.statement import PROJECT, Answer, Asked, Bill, Entry, refusal, unsettled
from tests.support.vendor import KEY

OTHER_PROJECT = "11111111-2222-3333-4444-555555555555"
EMULATORS_KEY = "dgemu_0123456789abcdef"


class Runs(EndedRuns):
    """Beside the statement of them."""

    def __init__(self, folder: Path, bill: Bill, printed: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder)
        self.bill = bill
        self._printed = printed

    def report(self) -> dict[str, Any]:
        text = (self.folder / ".dgbudget/report/usage.json").read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        return document

    def reconcile(self, *arguments: str) -> tuple[int, str]:
        """Return the exit status, and what was printed."""
        try:
            status = main(["reconcile", *arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
        printed, complaints = self._printed.readouterr()
        return status, printed + complaints

    def results(self, *arguments: str) -> dict[str, Any]:
        """Return what came of each run, as JSON has it."""
        _, printed = self.reconcile("--json", *arguments)
        return {entry["run"]: entry for entry in json.loads(printed)["runs"]}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Runs]:
    (tmp_path / "pytest.ini").write_text("[pytest]\ndg_reconcile_timeout = 300ms\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    with Bill(KEY) as bill:
        monkeypatch.setenv("DG_API_URL", bill.url)
        yield Runs(tmp_path, bill, capsys)


# Which runs -----------------------------------------------------------------------------------------------------------


def test_pending_takes_what_was_pending_last_and_what_a_killed_gateway_left(runs: Runs) -> None:
    reconciled = {**PENDING, "verdict": "reconciled"}
    runs.add("pending", reconciled, PENDING)
    runs.add("settled", PENDING, reconciled)
    runs.add("killed", ends=False)
    runs.bill.entries = lambda: bills("pending", "killed")
    results = runs.results("--pending")
    assert {run: (each["was"], each["verdict"]) for run, each in results.items()} == {
        "pending": ("pending", "reconciled"),
        "killed": (None, "inconclusive"),
    }
    assert runs.verdicts("settled") == ["pending", "reconciled"]


def test_a_named_run_is_compared_whatever_its_verdict_was(runs: Runs) -> None:
    runs.add("one", {**PENDING, "verdict": "inconclusive"})
    runs.bill.entries = lambda: bills("one")
    status, said = runs.reconcile("one", "one")
    assert (status, runs.verdicts("one")) == (0, ["inconclusive", "reconciled"])
    assert said.splitlines()[0] == "one (live): was inconclusive, is reconciled"


@pytest.mark.parametrize(("host", "end"), [(gethostname(), "orphaned"), ("elsewhere", None)])
def test_a_lease_of_another_machine_is_left_open_before_its_end(runs: Runs, host: str, end: str | None) -> None:
    """What this machine has left open is known to be over."""
    runs.add("killed", ends=False, host=host)
    runs.reconcile("--pending")
    assert ends_of_leases(runs.folder) == [end]


def test_no_run_is_pending(runs: Runs) -> None:
    runs.add("one", {**PENDING, "verdict": "reconciled"})
    assert runs.reconcile("--pending") == (0, "no run is pending\n")
    assert runs.bill.asked == []


def test_a_run_that_opened_nothing_has_nothing_to_compare(runs: Runs) -> None:
    open_ledger(runs.folder / ".dgbudget/ledger.db", run="empty", target="live").close()
    assert runs.reconcile("empty")[0] == 0
    assert (runs.verdicts("empty"), runs.bill.asked) == (["reconciled"], [])


@pytest.mark.parametrize(("arguments", "status"), [(["one"], 1), (["--pending"], 0)], ids=["named", "--pending"])
def test_a_run_that_is_under_way_is_left_alone(runs: Runs, arguments: list[str], status: int) -> None:
    lock = RunLock(runs.folder / ".dgbudget", "one")
    runs.add("one", PENDING, ends=False)
    found, said = runs.reconcile("--reconcile=require", *arguments)
    lock.release()
    assert (found, runs.verdicts("one"), runs.bill.asked) == (status, ["pending"], [])
    assert "left as it is, pending: it is not over" in said
    assert rows_of(runs.folder, "SELECT how FROM lease_end") == []


@pytest.mark.parametrize(("arguments", "status"), [(["one"], 1), (["--pending"], 0)], ids=["named", "--pending"])
def test_an_emulated_run_can_not_be_asked_for(runs: Runs, arguments: list[str], status: int) -> None:
    runs.add("one", PENDING, target="emulator")
    assert runs.reconcile(*arguments)[0] == 0
    found, said = runs.reconcile("--reconcile=require", *arguments)
    assert (found, runs.verdicts("one"), runs.bill.asked) == (status, ["pending"], [])
    assert "its emulator, which alone has a statement of it, has ended with it" in said


def test_a_rehearsal_is_asked_of_its_emulator_and_a_live_run_never(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.add("live", PENDING)
    runs.add("rehearsed", PENDING, target="rehearsal")
    runs.bill.entries = lambda: bills("live", "rehearsed")
    with_deepgrams_key = runs.results("--pending")
    assert with_deepgrams_key["rehearsed"]["why_left"].startswith("it was a rehearsal, and DEEPGRAM_API_KEY has no key")
    runs.bill.key = EMULATORS_KEY
    monkeypatch.setenv("DEEPGRAM_API_KEY", EMULATORS_KEY)
    with_the_emulators = runs.results("live", "rehearsed")
    assert with_the_emulators["live"]["why_left"].startswith("it was live, and DEEPGRAM_API_KEY has a key of the emul")
    assert (runs.verdicts("live"), runs.verdicts("rehearsed")) == (["pending", "reconciled"], ["pending", "reconciled"])


# What comes of it -----------------------------------------------------------------------------------------------------


def differs(runs: Runs) -> Iterable[Entry]:
    return bills("one", seconds=60)


def agrees(runs: Runs) -> Iterable[Entry]:
    return bills("one")


def is_late(runs: Runs) -> Iterable[Entry]:
    return unsettled(bills("one"))


def has_no_tags(runs: Runs) -> Iterable[Entry]:
    runs.bill.shows_tags = False
    return bills("one")


@pytest.mark.parametrize(
    ("has", "verdict", "status", "required"),
    [
        (agrees, "reconciled", 0, 0),
        (differs, "discrepancy", 1, 1),
        (is_late, "pending", 0, 1),
        (has_no_tags, "inconclusive", 0, 1),
    ],
    ids=lambda each: each if isinstance(each, str) else getattr(each, "__name__", str(each)),
)
def test_require_fails_for_each_verdict_but_reconciled_otherwise_a_discrepancy_does(
    runs: Runs, has: Any, verdict: str, status: int, required: int
) -> None:
    runs.add("one", PENDING)
    runs.bill.entries = lambda: has(runs)
    found, printed = runs.reconcile("one", "--json")
    assert (found, json.loads(printed)["failing"]) == (status, bool(status))
    assert json.loads(printed)["runs"][0]["verdict"] == verdict
    assert runs.reconcile("one", "--reconcile=require")[0] == required
    assert runs.verdicts("one") == ["pending", verdict, verdict]


def test_what_disagrees_is_said(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.bill.entries = lambda: bills("one", seconds=60)
    _, said = runs.reconcile("--pending")
    assert said.startswith(
        "one (live): was pending, is discrepancy\n  reconciliation: discrepancy; 0 of 1 session agrees"
    )
    assert "request request-of-one (test_it.py::test_it): the statement has 60.00s, we metered 1.00s" in said
    assert "--tolerance allows" in said


def test_what_is_still_pending_says_how_to_go_on(runs: Runs) -> None:
    runs.add("one", PENDING)
    _, said = runs.reconcile("--pending")
    assert "one (live): was pending, is pending" in said
    assert "dgbudget reconcile one says later what came of it" in said
    assert "to wait longer, raise --reconcile-timeout" in said


def test_nothing_is_edited(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.add("killed", ends=False)
    runs.add("other", {**PENDING, "verdict": "reconciled"})  # sweeps
    before = tables(runs.folder)
    runs.bill.entries = lambda: bills("one", "killed")
    runs.reconcile("--pending")
    after = tables(runs.folder)
    added = {table: len(after[table]) - len(rows) for table, rows in before.items() if after[table] != rows}
    assert added == {"reconciliation": 2, "stated": 1, "billed": 2, "swept": 1}
    assert all(after[table][: len(rows)] == rows for table, rows in before.items())


def test_the_report_says_what_came_of_it_and_keeps_its_notices(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.has_reported("one", "a gateway died")
    runs.bill.entries = lambda: bills("one")
    _, said = runs.reconcile("--pending")
    document = runs.report()
    assert document["reconciliation"]["verdict"] == "reconciled"
    assert document["reconciliation"]["lines"][0]["class"] == "matched"
    assert document["notices"] == ["a gateway died"]
    assert "report: .dgbudget/report/usage.json was written anew" in said


def test_another_runs_report_stays(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.add("last", {**PENDING, "verdict": "off"})
    runs.has_reported("last")
    before = (runs.folder / ".dgbudget/report/usage.json").read_bytes()
    _, said = runs.reconcile("one")
    assert (runs.folder / ".dgbudget/report/usage.json").read_bytes() == before
    assert "its report is not in .dgbudget/report (any more): the result is in the ledger" in said
    assert len(runs.verdicts("one")) == 2


def test_a_report_that_can_not_be_written_costs_a_line(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    runs.add("one", PENDING)
    runs.has_reported("one")
    monkeypatch.setattr("pytest_dgbudget.report.writing.write_files", no_space)
    status, said = runs.reconcile("one")
    assert status == 0
    assert "its report can't be written to .dgbudget/report: [Errno 28] No space left on device" in said


def test_whoever_is_ended_before_the_report_is_written_leaves_the_run_pending(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would write it any more."""

    def interrupted(*_: object) -> Path:
        raise KeyboardInterrupt

    runs.add("one", PENDING)
    runs.has_reported("one")
    runs.bill.entries = lambda: bills("one")
    with monkeypatch.context() as patch:
        patch.setattr("pytest_dgbudget.report.writing.write_files", interrupted)
        assert runs.reconcile("--pending") == (130, "")
    assert runs.verdicts("one") == ["pending"]
    runs.reconcile("--pending")
    assert (runs.verdicts("one"), runs.report()["reconciliation"]["verdict"]) == (
        ["pending", "reconciled"],
        "reconciled",
    )


def test_a_session_that_nobody_saw_end_costs_what_the_statement_has(runs: Runs) -> None:
    runs.add("killed", ends=False)
    runs.bill.entries = lambda: bills("killed", seconds=7)
    _, said = runs.reconcile("--pending")
    assert "used 7.00s, was 60.00s: the statement has what nobody here saw" in said
    assert rows_of(runs.folder, "SELECT ms FROM stated") == [(7000,)]
    runs.reconcile("killed")
    assert rows_of(runs.folder, "SELECT ms FROM stated") == [(7000,)]


def test_a_session_that_nobody_saw_end_stays_pending_while_the_statement_may_lack_it(runs: Runs) -> None:
    runs.add("killed", ends=False)
    assert runs.results("--pending")["killed"]["why_left"] == (
        "sessions whose end nobody saw are not in the statement yet"
    )
    assert runs.verdicts("killed") == []


@pytest.mark.parametrize("call", ["list", "get", "usage"])
def test_a_statement_that_can_not_be_read_leaves_the_run_pending(runs: Runs, call: str) -> None:
    runs.add("one", PENDING)
    runs.bill.entries = lambda: [] if call == "get" else bills("one")
    runs.bill.overrides[call] = lambda _: refusal(503, "DOWN", "Down.")
    status, said = runs.reconcile("--pending")
    assert (status, runs.verdicts("one")) == (0, ["pending"])
    assert "one (live): left as it is, pending: the statement could not be read: " in said
    assert "HTTP 503" in said
    assert runs.reconcile("--pending", "--reconcile=require")[0] == 1


def test_a_key_that_may_not_read_leaves_the_run_pending(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.bill.overrides["list"] = runs.bill.overrides["get"] = lambda _: refusal(403, "NO", "No.")
    status, said = runs.reconcile("--pending")
    assert (status, runs.verdicts("one")) == (0, ["pending"])
    assert "does the key have the scope usage:read?" in said


def test_one_answer_to_all_calls_is_said_once(runs: Runs) -> None:
    runs.add("one", {**PENDING, "project": PROJECT})
    for call in ("list", "get", "usage"):
        runs.bill.overrides[call] = lambda _: refusal(404, "PROJECT_NOT_FOUND", "Project not found.")
    _, said = runs.reconcile("--pending")
    assert said.count("PROJECT_NOT_FOUND") == said.count("correct --project") == 1


def not_in_the_other(asked: Asked) -> Answer | None:
    return None if OTHER_PROJECT in asked.path else refusal(404, "PROJECT_NOT_FOUND", "Project not found.")


@pytest.mark.parametrize("call", ["list", "get", "usage"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_limit_that_outlasts_the_wait_leaves_the_run_pending_and_takes_none_of_it(
    runs: Runs, call: str, status: int
) -> None:
    runs.add("one", PENDING)
    runs.bill.entries = lambda: [] if call == "get" else bills("one")
    runs.bill.overrides[call] = lambda _: refusal(status, "LATER", "Slow down.", Retry_After="60")
    _, said = runs.reconcile("--pending", "--reconcile-timeout=30s") if call != "get" else runs.reconcile("--pending")
    assert "left as it is, pending: the statement could not be read" in said
    assert "it asks to retry after 60s" in said
    assert (runs.verdicts("one"), len(runs.bill.calls(call))) == (["pending"], 1)
    runs.bill.overrides.clear()
    runs.bill.entries = lambda: bills("one")
    runs.reconcile("--pending")
    assert runs.verdicts("one") == ["pending", "reconciled"]


def test_what_could_not_be_read_at_the_runs_end_is_asked_for_again_and_what_was_read_is_not(runs: Runs) -> None:
    ended = {**PENDING, "verdict": "inconclusive"}
    runs.add("unread", {**ended, "unread": ["requests"]})
    runs.add("unclear", {**ended, "unread": []})
    runs.add("emulated", {**ended, "unread": ["hours"]}, target="emulator")
    runs.bill.entries = lambda: bills("unread", "unclear")
    results = runs.results("--pending")
    assert {run: each["verdict"] for run, each in results.items()} == {"unread": "reconciled"}


def test_a_part_that_still_can_not_be_read_adds_nothing_and_the_rest_counts(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.bill.entries = lambda: bills("one")
    runs.bill.overrides["usage"] = lambda _: refusal(403, "NO", "No.")
    _, said = runs.reconcile("--pending")
    assert "dgbudget reconcile one says later what came of it" in said
    for _ in range(2):
        _, said = runs.reconcile("--pending")
        assert "one (live): left as it is, inconclusive: as before, a part of the statement can't be read" in said
    assert runs.verdicts("one") == ["pending", "inconclusive"]
    runs.bill.overrides.clear()
    runs.reconcile("--pending")
    assert runs.verdicts("one") == ["pending", "inconclusive", "reconciled"]


def test_require_fails_while_a_run_that_could_not_be_asked_for_is_not_settled(runs: Runs) -> None:
    runs.add("one", {**PENDING, "verdict": "inconclusive", "unread": ["requests", "sessions"]})
    runs.bill.overrides["list"] = runs.bill.overrides["projects"] = lambda _: refusal(401, "INVALID_AUTH", "Invalid.")
    assert runs.reconcile("--pending", "--reconcile=require")[0] == 1
    assert runs.verdicts("one") == ["inconclusive"]


def test_a_run_is_asked_for_in_its_own_project_whatever_the_key_sees(runs: Runs) -> None:
    runs.add("one", {**PENDING, "project": PROJECT}, ago=7200)
    runs.bill.projects = [OTHER_PROJECT]
    for call in ("list", "get", "usage"):
        runs.bill.overrides[call] = not_in_the_other
    _, said = runs.reconcile("--pending")
    assert "left as it is, pending: the statement could not be read" in said
    _, said = runs.reconcile("--pending", f"--project={OTHER_PROJECT}")
    assert f"its project is {PROJECT}, and in {OTHER_PROJECT} it is discrepancy: name its own with --project" in said
    assert runs.verdicts("one") == ["pending"]
    runs.bill.entries = lambda: bills("one")
    runs.reconcile("--pending", f"--project={OTHER_PROJECT}")
    assert runs.verdicts("one") == ["pending", "reconciled"]


def test_the_lag_that_was_seen_at_the_runs_end_stays(runs: Runs) -> None:
    lag = {"pending_seconds": 31.0, "settled_seconds": None}
    checked_at = at(datetime.now(timezone.utc) - timedelta(seconds=60))
    runs.add("one", {**PENDING, "project": PROJECT, "checked_at": checked_at, "lag": lag}, ago=91)
    runs.bill.entries = lambda: bills("one")
    found = runs.results("one")["one"]["reconciliation"]["lag"]
    assert found["pending_seconds"] == 31.0
    assert 91 <= found["settled_seconds"] < 120


def test_json_has_for_each_run_what_usage_json_has(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.has_reported("one")
    runs.bill.entries = lambda: bills("one")
    (entry,) = runs.results("one").values()
    document = runs.report()
    assert entry.pop("reconciliation") == document["reconciliation"]
    assert entry == {
        "run": "one",
        "target": "live",
        "was": "pending",
        "verdict": "reconciled",
        "why_left": None,
        "used_seconds": 1.0,
        "report": str(runs.folder / ".dgbudget/report/usage.json"),
    }


# Time -----------------------------------------------------------------------------------------------------------------


def test_all_runs_are_waited_for_together(runs: Runs) -> None:
    for run in ("one", "two", "three"):
        runs.add(run, PENDING)

    def entries() -> list[Entry]:
        all_there = bills("one", "two", "three")
        return all_there if len(runs.bill.calls("list")) > 5 else [*unsettled(all_there[:2]), all_there[2]]

    runs.bill.entries = entries
    results = runs.results("--pending", "--reconcile-timeout=60s")
    assert [(run, each["verdict"]) for run, each in results.items()] == [
        ("three", "reconciled"),
        ("one", "reconciled"),
        ("two", "reconciled"),
    ]


def test_a_terminal_is_told_what_is_waited_for(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.add("late", PENDING)
    runs.add("there", PENDING)
    runs.bill.entries = lambda: bills("there")
    assert "waiting" not in runs.reconcile("--pending")[1]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "dgbudget: waiting for the statement of 1 run (Ctrl-C" in runs.reconcile("--pending")[1]


def test_a_terminal_sees_runs_being_compared_and_with_json_nothing(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.add("there", PENDING)
    runs.bill.entries = lambda: bills("there")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "comparing runs" in runs.reconcile("there")[1]
    main(["reconcile", "there", "--json"])
    assert capsys.readouterr().err == ""


def test_the_history_of_the_ledger_keeps_nobody_from_waiting(runs: Runs) -> None:
    lag = {"pending_seconds": 7200.0, "settled_seconds": None}
    for run in ("a", "b", "c"):
        runs.add(run, {**PENDING, "verdict": "off", "project": PROJECT, "lag": lag})
    runs.add("one", PENDING)
    runs.bill.entries = lambda: bills("one") if len(runs.bill.calls("list")) > 2 else unsettled(bills("one"))
    assert runs.results("one", "--reconcile-timeout=60s")["one"]["verdict"] == "reconciled"


# Usage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "name a run, or --pending"),
        (["nightly-1O"], "the ledger has no run 'nightly-1O'; the nearest: nightly-10"),
        (["xyz"], "the ledger has no run 'xyz'; the last ones: nightly-10"),
        (["nightly-10", "--reconcile-timeout=0"], "--reconcile-timeout is 0"),
        (["nightly-10", "--reconcile-timeout=soon"], "--reconcile-timeout: "),
        (["nightly-10", "--api-url=http://api.example"], "would carry the key in plain text"),
        (["nightly-10", "--ledger=sqlite:///none.db"], "there is no ledger"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(runs: Runs, arguments: list[str], named: str) -> None:
    runs.add("nightly-10", PENDING)
    status, said = runs.reconcile(*arguments)
    assert (status, said.count("\n"), named in said) == (2, 1, True), said
    assert runs.bill.asked == []


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"DEEPGRAM_API_KEY": ""}, "the statement needs a key that may read usage: set DEEPGRAM_API_KEY"),
        ({"DEEPGRAM_API_KEY": "d9b0d9e7" + 32 * "a"}, "set DEEPGRAM_API_KEY"),
        ({"DEEPGRAM_API_KEY": "schlüssel"}, "DEEPGRAM_API_KEY contains a character"),
        ({"DEEPGRAM_API_KEY": EMULATORS_KEY, "DG_API_URL": "https://api.deepgram.com"}, "is a key of the emulator"),
    ],
    ids=["none", "a token", "not ASCII", "the emulator's"],
)
def test_a_key_that_can_not_ask_is_named(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    runs.add("one", PENDING)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    status, said = runs.reconcile("one")
    assert (status, named in said) == (2, True), said
    assert runs.bill.asked == []


def test_an_agent_that_is_not_deepgrams_needs_the_url_of_its_api(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.add("one", PENDING)
    monkeypatch.delenv("DG_API_URL")
    status, said = runs.reconcile("one", "--agent-url=wss://voice.example/v1/agent/converse")
    assert (status, "name its management API with --api-url" in said) == (2, True), said


def test_the_help_has_an_example_and_the_exit_statuses(runs: Runs) -> None:
    status, said = runs.reconcile("--help")
    assert status == 0
    assert "example: dgbudget reconcile --pending --reconcile-timeout=5m" in said
    assert "2 for bad usage" in said


def test_the_key_is_nowhere(runs: Runs) -> None:
    runs.add("one", PENDING)
    runs.has_reported("one")
    runs.bill.overrides["list"] = lambda asked: refusal(400, "BAD", asked.authorization)
    _, said = runs.reconcile("one")
    assert "Token ***" in said
    assert KEY not in said
    assert [path for path in runs.folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []
