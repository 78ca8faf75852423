"""``dgbudget report``: runs of the past, two compared, and all of a period, in every format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cli import main, report_formats
from pytest_dgbudget.cli.report_formats import FORMATS
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger.run_lock import RunLock
from pytest_dgbudget.report.rendering import rendered
from tests.support.aged import age
from tests.support.ended_runs import EndedRuns
from tests.support.past import live_run, lose, spend
from tests.support.spent_runs import Took, add_run, days_ago

A, B = "test_a.py::test", "test_b.py::test"
Reads = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, in which commands run."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / ".dgbudget").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ledger(folder: Path) -> Path:
    """A run of forty days ago, one of two days ago, and one of yesterday, dearer by a test and a retry."""
    path = folder / ".dgbudget/ledger.db"
    add_run(path, "old", days_ago(40), {A: [6.0]})
    add_run(path, "8123-1", days_ago(2), {A: [12.0]})
    add_run(path, "8124-1", days_ago(1), {A: [12.0, 12.0], B: [8.0]})
    return path


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Reads:
    """Returns what a command prints, which is all that it says."""

    def show(*arguments: str) -> str:
        assert main(["report", *arguments]) == 0
        printed, complaints = capsys.readouterr()
        assert complaints == ""
        return printed

    return show


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Reads:
    """Returns the one line with which a command refuses its arguments."""

    def refuse(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["report", *arguments])
        printed, complaints = capsys.readouterr()
        assert (ended.value.code, printed, complaints.count("\n")) == (2, "", 1)
        return complaints

    return refuse


# A run ----------------------------------------------------------------------------------------------------------------


def test_json_is_usage_json_byte_for_byte(folder: Path, shown: Reads) -> None:
    runs = EndedRuns(folder)
    runs.add("one", {"verdict": "reconciled", "project": None})
    runs.has_reported("one", "the disk was full")
    written = (folder / ".dgbudget/report/usage.json").read_text(encoding="utf-8")
    assert shown("one", "--json") == shown("--format=json") == written
    assert "the disk was full" in written


def test_a_run_is_compared_with_those_that_began_before_it(folder: Path, shown: Reads) -> None:
    ledger = folder / ".dgbudget/ledger.db"
    for day in range(20, 12, -1):
        add_run(ledger, f"run-{day}", days_ago(day), {test: [12.0] for test in (A, B, "test_c.py::test")})
    sixth = json.loads(shown("run-15", "--json"))
    assert [each["id"] for each in sixth["history"]] == [f"run-{day}" for day in range(20, 15, -1)]
    assert (sixth["regression"]["verdict"], sixth["regression"]["runs"]) == ("none", 5)
    fifth = json.loads(shown("run-16", "--json"))
    assert (fifth["regression"]["verdict"], fifth["regression"]["runs"]) == ("too-few-runs", 4)


def test_so_is_one_that_nobody_closed(folder: Path, shown: Reads) -> None:
    runs, ledger = EndedRuns(folder), folder / ".dgbudget/ledger.db"
    add_run(ledger, "before", days_ago(2), {"test_it.py::test_it": [12.0]})
    runs.add("killed", ends=False)
    add_run(
        ledger,
        "later",
        write_instant(datetime.now(timezone.utc) + timedelta(seconds=1)),
        {"test_it.py::test_it": [12.0]},
    )
    document = json.loads(shown("killed", "--json"))
    assert (document["run"]["complete"], [each["id"] for each in document["history"]]) == (False, ["before"])


def test_how_a_run_compared_is_as_its_report_has_it_while_that_is_there(folder: Path, shown: Reads) -> None:
    runs = EndedRuns(folder)
    for run in ("before", "one", "two"):
        runs.add(run)
    runs.has_reported("one")
    assert json.loads(shown("one", "--json"))["regression"] is None, "as its report has it"
    runs.has_reported("two")
    assert [each["id"] for each in json.loads(shown("one", "--json"))["history"]] == ["before"]


def test_a_run_without_a_session_is_compared_with_none(ledger: Path, shown: Reads) -> None:
    add_run(ledger, "nothing", days_ago(0.5), {})
    document = json.loads(shown("nothing", "--json"))
    assert (document["regression"], document["history"]) == (None, [])


def test_no_run_is_compared_where_the_project_wants_none(ledger: Path, folder: Path, shown: Reads) -> None:
    (folder / "pytest.ini").write_text("[pytest]\ndg_regression = off\n", encoding="utf-8")
    document = json.loads(shown("8124", "--json"))
    assert (document["regression"]["verdict"], document["history"][-1]["id"]) == ("off", "8123-1")


def test_notices_are_missing_where_the_folder_has_another_runs_report(folder: Path, shown: Reads) -> None:
    runs = EndedRuns(folder)
    runs.add("one")
    runs.has_reported("one", "the disk was full")
    runs.add("two")
    runs.has_reported("two", "another notice")
    assert json.loads(shown("one", "--json"))["notices"] == []
    assert "another notice" in shown("two")


def test_a_run_is_shown_as_at_its_end_and_the_last_one_by_default(ledger: Path, shown: Reads) -> None:
    said = shown("8124-1")
    assert said == shown()
    lines = said.splitlines()
    assert lines[0].startswith("run 8124-1, ")
    assert "used 32.00s of 600.00s [#...................] 5% in 3 sessions (live, billed); verdict: within" in lines
    assert lines[-1] == "reconciliation: reconciled"
    assert max(len(line) for line in lines if not line.startswith("used ")) <= 80


def test_the_beginning_of_an_id_is_enough_where_it_is_of_one_run(ledger: Path, shown: Reads, refused: Reads) -> None:
    assert shown("8124") == shown("8124-1")
    assert "2 runs begin with '812': 8124-1, 8123-1; name one of them" in refused("812")
    add_run(ledger, "812", days_ago(1), {A: [1.0]})
    assert shown("812").startswith("run 812, "), "which is a run's whole id"


def test_an_unknown_run_names_the_last_ones(ledger: Path, refused: Reads) -> None:
    assert refused("9").endswith(
        "the ledger has no run '9'; the last ones: 8124-1, 8123-1, old; dgbudget report --since 30d lists more\n"
    )
    assert "the ledger has no run ''" in refused("")


def test_csv_has_a_line_for_each_attempt(ledger: Path, shown: Reads) -> None:
    rows = list(csv.DictReader(StringIO(shown("8124", "--format=csv"), newline="")))
    assert [(row["run"], row["nodeid"], row["used_seconds"], row["sessions"]) for row in rows] == [
        ("8124-1", A, "24.0", "2"),
        ("8124-1", B, "8.0", "1"),
    ]


@pytest.mark.parametrize(("name", "file"), [("md", "usage.md"), ("html", "usage.html"), ("openmetrics", "metrics.txt")])
def test_other_formats_are_the_files_that_a_report_has(ledger: Path, shown: Reads, name: str, file: str) -> None:
    said = shown("8124", f"--format={name}")
    assert said == rendered(file, json.loads(shown("8124", "--json")))
    assert "8124-1" in said


def test_hostile_names_harm_no_terminal(folder: Path, shown: Reads) -> None:
    hostile = "test_\x1b[2J\u202e.py::test[=1+1|\x07]"
    add_run(folder / ".dgbudget/ledger.db", "hostile", days_ago(1), {hostile: [1.0], "t": [2.0]})
    printed = [shown(), shown("hostile", "--compare", "hostile"), shown("--since", "2d")]
    printed += [shown("--since", "2d", "--format=md"), shown("--format=csv"), shown("--since=2d", "--format=csv")]
    for line in "".join(printed).split("\n"):
        assert line.removesuffix("\r").isprintable()


def test_a_run_that_is_not_over_says_so_on_stderr(
    ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(live_run(ledger, "now")) as opened:
        spend(opened, 1000)
        lock = RunLock(folder / ".dgbudget", "now")
        assert main(["report", "now"]) == 0
        lock.release()
    printed, complaints = capsys.readouterr()
    assert "used 1.00s" in printed
    assert complaints == "dgbudget: run now is not over: this is what there is of it so far\n"


def test_what_open_sessions_of_a_run_that_goes_on_have_is_set_aside_and_not_at_risk(
    ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(live_run(ledger, "now")) as opened:
        spend(opened, 1000)
        lose(opened, 60_000)
        lock = RunLock(folder / ".dgbudget", "now")
        assert [main(["report", "now"]), main(["report", "now", "--json"])] == [0, 0]
        lock.release()
        printed, _, document = capsys.readouterr().out.partition("{")
        assert main(["report", "now", "--json"]) == 0
        killed = json.loads(capsys.readouterr().out)["run"]
    run = json.loads("{" + document)["run"]
    figures = ("verdict", "complete", "under_way", "set_aside_seconds", "at_risk_seconds", "used_seconds")
    assert [run[name] for name in figures] == ["within", False, 1, 60.0, 0.0, 61.0]
    assert [killed[name] for name in figures] == ["interrupted", False, 0, 0.0, 60.0, 61.0]
    assert "to now, still going on" in printed
    assert "verdict: within so far, it is still going on; 60.00s set aside by open sessions" in printed


def test_a_period_says_which_of_its_sum_runs_that_go_on_have_set_aside(
    ledger: Path, folder: Path, shown: Reads
) -> None:
    with closing(live_run(ledger, "now")) as opened:
        lose(opened, 60_000)
        lock = RunLock(folder / ".dgbudget", "now")
        said, (target,) = shown("--since", "5d"), json.loads(shown("--since", "5d", "--json"))["targets"]
        lock.release()
        said_of_killed, (killed,) = shown("--since", "5d"), json.loads(shown("--since", "5d", "--json"))["targets"]
    assert "  1 run is still going on: 1m of it is set aside by their open sessions" in said
    assert (target["under_way"], target["set_aside_seconds"]) == (1, 60.0)
    assert {run["verdict"] for run in target["runs"]} == {"within"}
    assert ("at risk" in said, "at risk" in said_of_killed) == (False, True)
    assert (killed["under_way"], killed["set_aside_seconds"]) == (0, 0.0)


def test_an_archived_run_says_what_it_came_to_and_where_the_rest_is(
    folder: Path, shown: Reads, refused: Reads, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = folder / ".dgbudget/ledger.db"
    with closing(live_run(ledger, "old")) as opened:
        spend(opened, 4000)
        opened.record_reconciliation({"verdict": "reconciled", "project": None})
        opened.end_invocation(0)
    age(ledger, 40)
    add_run(ledger, "new", days_ago(1), {A: [12.0]})
    assert main(["ledger", "vacuum", "--before", "30d"]) == 0
    capsys.readouterr()
    first, second = shown("old").splitlines()
    assert first == "run old (live, billed) is archived"
    assert "4.00s, $0.0050 in 1 session; its tests and sessions are in ledger-before-" in second
    assert json.loads(shown("old", "--json"))["parts"][0]["seconds"] == 4.0
    assert "a run that was archived can be shown as table, json" in refused("old", "--format=csv")
    assert "run old was archived on " in refused("new", "--compare", "old")
    said = shown("--since", "60d")
    assert "$0.0050, 4s of it, in 1 session of 1 run, is archived" in said
    assert "live (billed): $0.0200, 16s in 2 sessions of 2 runs" in said


# Two runs -------------------------------------------------------------------------------------------------------------


def test_two_runs_are_compared(ledger: Path, shown: Reads) -> None:
    said = shown("8124", "--compare", "8123").splitlines()
    assert "+$0.0250 (+20.00s) in all, of which:" in said
    assert "  +$0.0150: more sessions in 1 test (more runs, reruns or retries)" in said
    document = json.loads(shown("8124", "--compare", "8123", "--json"))
    assert (document["before"]["run"]["id"], document["after"]["run"]["id"]) == ("8123-1", "8124-1")
    assert (document["schema"], document["delta_usd"]) == ("dgbudget.comparison/1", 0.025)
    assert shown("--compare", "8123") == shown("8124", "--compare", "8123"), "the last run is compared by default"


# A period -------------------------------------------------------------------------------------------------------------


def test_a_period_has_all_runs_and_is_held_against_the_one_before(ledger: Path, shown: Reads) -> None:
    said = shown("--since", "30d").splitlines()
    assert "live (billed): $0.0550, 44s in 4 sessions of 2 runs" in said
    assert "  +$0.0475 (+633%) against $0.0075, 6s in the period before it, of which:" in said
    document = json.loads(shown("--since", "30d", "--json"))
    (target,) = document["targets"]
    assert [test["nodeid"] for test in target["tests"]] == [A, B]
    assert [(run["id"], run["verdict"], run["reconciliation"]) for run in target["runs"]] == [
        ("8124-1", "within", "reconciled"),
        ("8123-1", "within", "reconciled"),
    ]


def test_until_the_end_of_a_day(ledger: Path, shown: Reads) -> None:
    (target,) = json.loads(shown("--since=50d", "--until=10d", "--json"))["targets"]
    assert [run["id"] for run in target["runs"]] == ["old"]
    (target,) = json.loads(shown("--since=2d", "--until=2d", "--json"))["targets"]
    assert [run["id"] for run in target["runs"]] == ["8123-1"]


def test_top_says_how_many_are_listed(ledger: Path, shown: Reads) -> None:
    (target,) = json.loads(shown("--since=30d", "--top=1", "--json"))["targets"]
    assert (len(target["tests"]), len(target["runs"]), target["tests_in_all"], target["runs_in_all"]) == (1, 1, 2, 2)


def test_a_period_without_a_run_says_so(ledger: Path, shown: Reads) -> None:
    assert "no run of the ledger has opened a session in this period" in shown(
        "--since=2001-01-01", "--until=2001-02-01"
    )


def test_windows_of_the_project_are_shown(ledger: Path, folder: Path, shown: Reads) -> None:
    (folder / "dgbudget.toml").write_text('[window]\nday = "2h"\nmonth = "$150"\n', encoding="utf-8")
    add_run(ledger, "today", days_ago(0), {A: [Took(seconds=36.0)]})
    day, month = json.loads(shown("--since=1d", "--json"))["windows"]
    assert (day["period"], day["used"], day["allowed"], month["period"]) == ("day", 36.0, 7200.0, "month")
    assert "window of a day: 36s of 2h is used today (0%)" in shown("--since=1d")


# Usage ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--since=30d", "run"), "--since reports all runs of a period, so name no RUN"),
        (("--since=30d", "--compare=run"), "--since reports all runs of a period"),
        (("--until=3d",), "--until goes with --since"),
        (("--top=3",), "--top goes with --since"),
        (("--since=30d", "--top=0"), "'0' is no number of tests and runs"),
        (("--json", "--format=csv"), "--json and --format=csv are two formats"),
        (("--format=pdf",), "invalid choice: 'pdf'"),
        (("--since=30d", "--format=html"), "--format=html: a period can be shown as table, json, csv, md"),
        (("--compare=8123", "--format=openmetrics"), "two runs can be shown as table, json, csv, md"),
        (("--since=tomorrow",), "--since: 'tomorrow' is neither a period"),
        (("--since=2d", "--until=30d"), "--until 30d is before --since 2d"),
        (("--since=2d", "--until=2999-01-01"), "is not in the past, so it has not ended"),
    ],
)
def test_bad_usage_says_what_to_do(ledger: Path, refused: Reads, arguments: tuple[str, ...], named: str) -> None:
    assert named in refused(*arguments)


def test_every_format_is_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert "table, json, csv, md, html, openmetrics" in capsys.readouterr().out
    assert {*report_formats.ALL_FORMATS} == {"table", "json", *FORMATS["run"]}
    assert all({*formats} <= {*FORMATS["run"]} for formats in FORMATS.values())


# A file ---------------------------------------------------------------------------------------------------------------


def test_output_has_what_stdout_would_have_had(ledger: Path, folder: Path, shown: Reads) -> None:
    for name in ("json", "csv", "table"):
        (folder / "it").write_text("what was there before", encoding="utf-8")
        assert shown(f"--format={name}", "--output=it") == ""
        assert (folder / "it").read_bytes().decode() == shown(f"--format={name}")
    assert [each.name for each in folder.iterdir() if each.name.startswith(".it")] == []


def test_a_file_that_cant_be_written_fails_and_leaves_nothing(
    ledger: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--output=nowhere/it"]) == 1
    assert "nowhere/it can't be written: No such file or directory; name another file" in capsys.readouterr().err
    (folder / "is-a-folder").mkdir()
    assert main(["report", "--output=is-a-folder"]) == 1
    assert sorted(each.name for each in folder.iterdir()) == [".dgbudget", "is-a-folder", "pytest.ini"]


def test_lone_surrogates_keep_no_file_from_being_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, shown: Reads
) -> None:
    def render(what: Any, *others: Any) -> str:
        return "\ud800\n"

    add_run(folder / ".dgbudget/ledger.db", "one", days_ago(1), {A: [1.0]})
    monkeypatch.setattr("pytest_dgbudget.cli.report.rendered", render)
    shown("--output=it")
    assert (folder / "it").read_bytes() == b"?\n"
