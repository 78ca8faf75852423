"""``dgbudget merge``: files as users give them, the report that is written, what is shown, and the exit status."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.report.document import SCHEMA, UsageDocument
from tests.support.facts import attempt, session
from tests.support.shards import changed, line, reconciliation, report

REPORT = ".dgbudget/report/usage.json"


def status_of(*arguments: str) -> int:
    try:
        return main(["merge", *arguments])
    except SystemExit as ended:
        return int(str(ended.code))


def save(folder: Path, name: str, document: UsageDocument) -> str:
    """Write a report where the artifact of a job has it; return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return name


@pytest.fixture
def two(here: Path) -> tuple[str, str]:
    """Two runs within their budgets."""
    return save(here, "shards/1/usage.json", report("a", "s")), save(here, "shards/2/usage.json", report("b", "t"))


def failing(run: str) -> UsageDocument:
    cut = session(id=run, lease=run, attempt=run, closed_by="test-budget", close_code=4402)
    failed = attempt(id=run, nodeid="test_x.py::test_cut", outcome="failed")
    return report(run, run, attempts=(failed,), sessions=(cut,))


def read(path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return document


# What is written and shown --------------------------------------------------------------------------------------------


def test_runs_become_one_report_with_one_verdict(two: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*two) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "test_x.py::test_s" in out
    assert "\na: used 3.00s of 60.00s [#...................] 5% in 1 session (live, billed); verdict: within\n" in out
    assert "\n2 runs together: used 6.00s of 120.00s [#...................] 5% in 2 sessions (live, billed)" in out
    assert out.endswith(f"\nreport: {REPORT}\npage: {Path(REPORT).with_name('usage.html')}\n")
    written = read(REPORT)
    assert (written["run"]["id"], written["run"]["used_seconds"], len(written["tests"])) == ("a+b", 6.0, 2)


def test_the_page_of_all_is_appended_to_the_summary_of_a_step(
    two: tuple[str, str], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = here / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert status_of(*two) == 0
    assert "GITHUB_STEP_SUMMARY has nothing of this run: " in capsys.readouterr().err
    summary.touch()
    assert status_of(*two) == 0
    assert capsys.readouterr().err == ""
    assert summary.read_bytes() == Path(REPORT).with_name("usage.md").read_bytes()


def test_an_overrun_that_fails_one_run_fails_all(two: tuple[str, str], here: Path) -> None:
    assert status_of(*two, save(here, "shards/3/usage.json", failing("c"))) == 1
    run = read(REPORT)["run"]
    assert (run["verdict"], run["failing"]) == ("overrun", True)


def test_an_overrun_that_was_expected_fails_nothing(two: tuple[str, str], here: Path) -> None:
    expected = changed(failing("c"), "run", failing=False)
    assert status_of(*two, save(here, "shards/3/usage.json", expected)) == 0
    assert read(REPORT)["run"]["verdict"] == "overrun"


def test_json_is_the_document_that_is_written(two: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(*two, "--json", "--report-dir=merged") == 0
    assert json.loads(capsys.readouterr().out) == read("merged/usage.json")


def test_a_test_that_several_runs_ran_is_shown_with_its_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = {"attempts": (attempt(id="s"),)}
    other = report("b", "t", attempts=(attempt(id="t"),))
    assert status_of(save(here, "1.json", report("a", "s", **same)), save(here, "2.json", other)) == 0
    out = capsys.readouterr().out
    assert "test_x.py::test (a) " in out
    assert "test_x.py::test (b) " in out


def test_each_run_says_what_disagrees_with_its_own_tag(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = line("t", **{"class": "missing-at-vendor"}, vendor_seconds=None, delta_seconds=None)
    differs = reconciliation(missing, verdict="discrepancy", reasons=["not all was read"])
    files = [
        save(here, "1.json", report("a", "s", reconciliation=reconciliation(line("s")))),
        save(here, "2.json", report("b", "t", reconciliation=differs)),
    ]
    assert status_of(*files) == 0
    out = capsys.readouterr().out
    assert "\nreconciliation: discrepancy; 1 of 2 sessions agree with Deepgram's statement" in out
    assert "\n  request t (t): we metered 3.00s, but it is not in the statement" in out
    assert out.count("not all was read") == 1
    assert "not all was read (run b)\n" in out


def test_a_run_that_had_nothing_to_compare_says_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idle = reconciliation(reasons=["no session was opened, so there is nothing to compare"])
    files = [
        save(here, "1.json", report("a", "s", reconciliation=reconciliation(line("s")))),
        save(here, "2.json", report("b", reconciliation=idle)),
    ]
    assert status_of(*files) == 0
    assert "nothing to compare" not in capsys.readouterr().out


def test_what_to_change_is_said_as_pytest_spells_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waited = report("a", "s", attempts=(attempt(id="s", waited_ms=2500),))
    assert status_of(save(here, "1.json", waited)) == 0
    assert "--dg-cost-budget) or --dg-max-sessions" in capsys.readouterr().out


def test_a_terminal_is_told_nothing_by_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = report("a\x1b[2J", "s", attempts=(attempt(id="s", nodeid="test_\x1b[31mx"),))
    strange["notices"] = ["one\rtwo"]
    assert status_of(save(here, "1.json", strange)) == 0
    out = capsys.readouterr().out
    assert r"test_\x1b[31mx" in out
    assert "one\\rtwo\n" in out
    assert "\na\\x1b[2J: used" in out
    assert "\x1b" not in out


def test_runs_in_which_nothing_was_asked_for_have_a_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(save(here, "1.json", report("a")), save(here, "2.json", report("b"))) == 0
    out = capsys.readouterr().out
    assert "2 runs together: no test asked for a session (live, nothing used of 120.00s)\n" in out


# Which files ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_each_usage_json_below_it(two: tuple[str, str], here: Path) -> None:
    """As actions/download-artifact and GitLab leave them, hidden folders included."""
    save(here, f"shards/3/{REPORT}", report("c", "u"))
    save(here, "shards/3/.dgbudget/report/usage.earlier.json", report("old", "v"))
    assert status_of("shards") == 0
    assert read(REPORT)["run"]["id"] == "a+b+c"


def test_what_is_given_twice_counts_once(two: tuple[str, str], here: Path) -> None:
    save(here, "again/usage.json", report("a", "s"))
    assert status_of(*two, two[0], "shards", "again") == 0
    assert read(REPORT)["run"]["used_seconds"] == 6.0


def test_a_merged_report_beside_its_runs_changes_nothing(two: tuple[str, str]) -> None:
    for _ in range(2):
        assert status_of("shards", "--report-dir=shards") == 0
        assert read("shards/usage.json")["run"]["used_seconds"] == 6.0


def test_artifacts_are_found_from_the_report(here: Path) -> None:
    shard = report("a", "s")
    shard["tests"][0]["artifacts"] = ["artifacts/test_s/transcript.txt"]
    name = save(here, "shards/1/usage.json", shard)
    (here / "shards/1/artifacts/test_s").mkdir(parents=True)
    (here / "shards/1/artifacts/test_s/transcript.txt").write_text("hello", encoding="utf-8")
    for given in (name, REPORT):
        assert status_of(given) == 0
        (test,) = read(REPORT)["tests"]
        assert (here / REPORT).parent.joinpath(*test["artifacts"]).read_text(encoding="utf-8") == "hello"


def test_the_report_of_another_run_is_set_aside(two: tuple[str, str], here: Path) -> None:
    save(here, REPORT, report("mine", "m"))
    assert status_of(*two) == 0
    assert read(".dgbudget/report/usage.earlier.json")["run"]["id"] == "mine"


# Missing runs ---------------------------------------------------------------------------------------------------------


def test_fewer_runs_than_there_must_be_fail(two: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("shards", "--shards=2") == 0
    capsys.readouterr()
    assert status_of("shards", "--shards=3") == 1
    missing = "1 of 3 runs is missing (--shards): no usage.json came from its job, so what was spent there is not known"
    assert missing in capsys.readouterr().out
    written = read(REPORT)
    assert not written["run"]["complete"]
    assert missing in written["notices"][0]


def test_copies_are_no_runs(two: tuple[str, str]) -> None:
    assert status_of(*two, two[0], "--shards=3") == 1


# Bad usage ------------------------------------------------------------------------------------------------------------

GOOD = json.dumps(report("a", "s"))
MERGED = json.dumps({**report("a", "s"), "shards": [{n: report("a")[n] for n in ("run", "reconciliation", "notices")}]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON (Expecting value: line 1 column 1 (char 0)); was it written and copied whole?"),
        (GOOD[:-9], "it is not JSON ("),
        (GOOD.replace("3.0", "NaN"), "it is not JSON (NaN is no JSON number)"),
        (GOOD.replace("3.0", "1e999"), "it is not JSON (1e999 is larger than any figure of ours)"),
        (GOOD.replace("3.0", "9" * 400), "it is not JSON (99999999999999999999 is larger than any figure of ours)"),
        ("[" * 100_000, "it is not JSON ("),
        ("[]", f'this is no usage.json of pytest-dgbudget, it has no "schema": "{SCHEMA}"'),
        ('{"schema": 1}', "this is no usage.json of pytest-dgbudget"),
        ('{"drills": []}', "this is no usage.json of pytest-dgbudget"),
        ('{"schema": "dgbudget.usage/2"}', "its schema is dgbudget.usage/2, and this version of pytest-dgbudget reads"),
        (f'{{"schema": "{SCHEMA}"}}', f"it has not the form of {SCHEMA}: data must contain"),
        (GOOD.replace('"complete": true', '"complete": 1'), "data.run.complete must be boolean"),
        (MERGED, "it is a merged document whose tests or sessions don't say of which shard they are"),
    ],
    ids=[
        "empty",
        "half",
        "NaN",
        "infinite",
        "large",
        "deep",
        "a list",
        "a number",
        "another",
        "version",
        "bare",
        "wrong",
        "numbers",
    ],
)
def test_what_is_no_report_is_refused_by_name(
    two: tuple[str, str], here: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (here / "bad.json").write_text(text, encoding="utf-8")
    assert status_of(*two, "bad.json") == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"dgbudget merge: bad.json: {said}" if not said.startswith("data.run") else "dgbudget merge")
    assert said in err
    assert (out, err.count("\n"), Path(REPORT).exists()) == ("", 1, False)


def test_what_can_t_be_read_is_refused_by_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    os.mkfifo(here / "pipe")
    for given, said in {
        "shards/*/usage.json": "shards/*/usage.json: there is no such file",
        "empty": "empty: there is no usage.json in this folder, nor below it",
        "pipe": "pipe: it can't be read: it is no regular file",
    }.items():
        assert status_of(given) == 2
        assert capsys.readouterr().err == f"dgbudget merge: {said}\n"


def test_billed_and_emulated_runs_are_not_merged(
    two: tuple[str, str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*two, save(here, "e.json", report("e", "u", target="emulator", billed=False))) == 2
    err = capsys.readouterr().err
    assert "shards/1/usage.json is a run of target live (billed), e.json of target emulator (not billed)" in err
    assert not Path(REPORT).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name the usage.json files, or a folder with them; example: dgbudget merge shards --shards=4"),
        (("--shards=0", "x"), "argument --shards: '0' is no number of runs; accepted: 1, 2, …"),
        (("--shards=four", "x"), "argument --shards: 'four' is no number of runs"),
    ],
)
def test_bad_arguments_are_said(here: Path, capsys: pytest.CaptureFixture[str], arguments: Any, said: str) -> None:
    assert status_of(*arguments) == 2
    assert said in capsys.readouterr().err


def test_a_folder_that_can_t_be_written_is_said(
    two: tuple[str, str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "taken").write_text("", encoding="utf-8")
    assert status_of(*two, "--report-dir=taken") == 1
    assert "dgbudget merge: the report can't be written to " in capsys.readouterr().err


def test_what_earlier_versions_did_not_report_yet_is_unknown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = [cast(dict[str, Any], report(f"run-{n}", f"s{n}")) for n in range(2)]
    del documents[0]["warnings"], documents[0]["run"]["at_risk_usd"], documents[0]["run"]["estimated"]
    for test in documents[0]["tests"]:
        del test["cost_budget_usd"], test["estimated"], test["vendor_usd"], test["overrun"]
    for each in documents[0]["sessions"]:
        del each["vendor_usd"], each["overrun"]
    names = [save(here, f"{n}.json", cast(UsageDocument, document)) for n, document in enumerate(documents)]
    assert main(["merge", "--json", *names]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["run"]["at_risk_usd"], made["run"]["estimated"], made["warnings"]) == (None, None, [])
    assert main(["merge", *names]) == 0
    assert "test_x.py::test" in capsys.readouterr().out
