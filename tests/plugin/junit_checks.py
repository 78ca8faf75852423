"""Run a project with --junitxml, and compare its file with usage.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.plugin.junit_readers import Attempt, Case, JUnit
from tests.support.project import Project, Result
from tests.support.vendor import Vendor

OF_SUITE = {
    "run_id",
    "target",
    "budget_seconds",
    "seconds",
    "sessions",
    "cost_usd",
    "turns",
    "latency_p50_ms",
    "latency_p95_ms",
    "verdict",
    "failing",
    "reconciliation",
    "report",
}
OF_CASE = {
    "seconds",
    "budget_seconds",
    "sessions",
    "cost_usd",
    "request_ids",
    "attempt",
    "turns",
    "latency_p50_ms",
    "latency_p95_ms",
    "verdict",
}
_MARKS = {"transcript": "turns_since_transcript"}
OF_FAILED_CASE = OF_CASE | {"transcript"}


def run(
    project: Project, files: Sequence[str], *arguments: str, vendor: Vendor, env: dict[str, str] | None = None
) -> Result:
    project.use(*files)
    return project.run("--dg-budget=5m", "--junitxml=junit.xml", *arguments, env={**vendor.environ, **(env or {})})


def read(result: Result) -> JUnit:
    assert "INTERNALERROR" not in result.output
    return JUnit(result.path / "junit.xml")


def report_of(result: Result) -> Path:
    return result.path / ".dgbudget/report/usage.json"


def attached(file: JUnit) -> set[str | None]:
    return {case.name for case in file.cases if case.attached is not None}


def figures_in(case: Case) -> dict[str, str]:
    """Return the figures in a testcase's output, which has them in one line; none where there is no such line."""
    lines = [line for line in (case.output or "").splitlines() if line.startswith("dgbudget: ")]
    assert len(lines) <= 1, lines
    return dict(pair.split("=", 1) for line in lines for pair in line.removeprefix("dgbudget: ").split(" "))


def check_figures(file: JUnit, usage: Mapping[str, Any], without: Collection[Attempt] = ()) -> None:
    """The file says what usage.json says; ``without`` are the attempts that pytest gives no testcase."""
    run = usage["run"]
    assert file.figures.keys() == OF_SUITE | _of_money(run)
    assert file.figures["run_id"] == run["id"]
    assert file.figures["target"] == run["target"]
    assert file.figures["budget_seconds"] == _seconds(run["budget_seconds"], "off")
    assert file.figures["seconds"] == _seconds(run["used_seconds"])
    assert file.figures["sessions"] == str(run["sessions"])
    assert file.figures["cost_usd"] == _usd(run["cost_usd"])
    assert file.figures["turns"] == _whole(run["turns"])
    for rank in ("latency_p50_ms", "latency_p95_ms"):
        assert file.figures[rank] == ("none" if run["turns"] == 0 else _whole(run[rank]))
    assert file.figures["verdict"] == run["verdict"]
    assert file.figures["failing"] == str(run["failing"]).lower()
    assert file.figures["reconciliation"] == usage["reconciliation"]["verdict"]

    reported = [test for test in usage["tests"] if _attempt(test) not in without]
    of_some = {_attempt(test): _of_money(test) | _of_turns(test) for test in reported}
    for case in file.using:
        own = of_some[case.attempt]
        assert case.figures.keys() in (OF_CASE | own, OF_FAILED_CASE | own), (case.name, case.figures)
    assert Counter((*case.attempt, *_plain(case.figures)) for case in file.using) == Counter(
        (
            *_attempt(test),
            _seconds(test["used_seconds"]),
            _seconds(test["budget_seconds"], "off"),
            str(test["sessions"]),
            _usd(test["cost_usd"]),
            _whole(test["turns"]),
            "none" if test["turns"] == 0 else _whole(test["latency_p95_ms"]),
            test["verdict"],
        )
        for test in reported
    )
    sessions = [session for session in usage["sessions"] if _attempt(session) not in without]
    assert Counter((*case.attempt, each) for case in file.using for each in case.request_ids) == Counter(
        (*_attempt(session), session["request_id"]) for session in sessions
    )
    if not without:
        assert f"{sum(float(case.figures['seconds']) for case in file.using):.3f}" == file.figures["seconds"]
        assert sum(int(case.figures["sessions"]) for case in file.using) == int(file.figures["sessions"])
        assert f"{sum(float(case.figures['cost_usd']) for case in file.using):.6f}" == file.figures["cost_usd"]


def check_attachments(file: JUnit, report: Path, *, folder: Path) -> None:
    """Each failed testcase of a test that used the fixture has one, no other has; paths are relative to ``folder``.

    It is the transcript of a test that had a session.
    """
    using = {case.name for case in file.using}
    transcripts = transcripts_in(report)
    for case in file.cases:
        if case.failed and case.name in using:
            assert case.attached is not None, case.name
            found = (folder / case.attached).resolve()
            assert found in transcripts.get(case.name, [report.resolve()]), case.name
            if case.figures:
                named = case.figures.get("transcript")
                assert found == (report if named is None else report.parent / named).resolve()
            assert case.output is not None
            assert case.output.partition("\n")[0] == f"[[ATTACHMENT|{case.attached}]]"
            assert case.output.count("[[ATTACHMENT|") == 1
        else:
            assert "[[ATTACHMENT|" not in (case.output or ""), case.name


def transcripts_in(report: Path) -> dict[str | None, list[Path]]:
    """Return what usage.json has of transcripts, by the functions' names."""
    found: dict[str | None, list[Path]] = {}
    for test in json.loads(report.read_text(encoding="utf-8"))["tests"]:
        paths = [report.parent / path for path in test["artifacts"] if path.endswith("/transcript.txt")]
        if paths:
            found.setdefault(_attempt(test)[0], []).extend(path.resolve() for path in paths)
    return found


def _of_money(entry: Mapping[str, Any]) -> set[str]:
    """Return the properties that only some have: of a budget in money, and that a cost is an estimate."""
    budget = set() if entry["cost_budget_usd"] is None else {"cost_budget_usd"}
    return budget | ({"cost_estimated"} if entry["estimated"] else set())


def _of_turns(test: Mapping[str, Any]) -> set[str]:
    """Return the properties of marked turns, and of the vendor's reports, where there are any."""
    marks = {_MARKS.get(mark, f"turns_{mark}") for mark, turns in (test["marked_turns"] or {}).items() if turns}
    came = (test["vendor_latency"] or {"reports": 0})["reports"]
    return marks | ({"vendor_latency_p50_ms", "vendor_latency_p95_ms"} if came else set())


def _attempt(entry: Mapping[str, Any]) -> Attempt:
    return entry["nodeid"].rpartition("::")[2], entry["attempt"]


def _plain(figures: Mapping[str, str]) -> tuple[str, ...]:
    names = ("seconds", "budget_seconds", "sessions", "cost_usd", "turns", "latency_p95_ms", "verdict")
    return tuple(figures[name] for name in names)


def _usd(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"{dollars:.6f}"


def _whole(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _seconds(seconds: float | None, otherwise: str = "unknown") -> str:
    return otherwise if seconds is None else f"{seconds:.3f}"


def check_terminal(result: Result) -> None:
    """The table says what usage.json says."""
    table = [line.split() for line in result.output.splitlines()]
    for test in result.usage["tests"]:
        budget = "-" if test["budget_seconds"] is None else f"{test['budget_seconds']:.2f}s"
        verdict = test["verdict"] if test["verdict"] == "within" else f"overrun, {'cut' if test['cut'] else 'refused'}"
        used, sessions = f"{test['used_seconds']:.2f}s", str(test["sessions"])
        shown = [*_cost(test, result.usage), *_latency(test), sessions, *verdict.split()]
        assert [test["nodeid"], used, budget, *shown] in table


def _latency(test: Mapping[str, Any]) -> list[str]:
    """Return what the table says of turns that were answered: one mark for all that are marked."""
    if not test["turns"]:
        return []
    mark = "*" if any(test["marked_turns"].values()) else ""
    return [f"{test['latency_p50_ms'] / 1000:.2f}/{test['latency_p95_ms'] / 1000:.2f}s{mark}"]


def _cost(test: Mapping[str, Any], usage: Mapping[str, Any]) -> list[str]:
    if test["vendor_usd"] is not None and usage["reconciliation"]["verdict"] == "reconciled":
        return ["vendor", _short_usd(test["vendor_usd"])]
    return ["-" if test["cost_usd"] is None else f"{'~' if test['estimated'] else ''}{_short_usd(test['cost_usd'])}"]


def _short_usd(dollars: float) -> str:
    return "<$0.0001" if 0 < dollars < 0.00005 else f"${dollars:.4f}"
