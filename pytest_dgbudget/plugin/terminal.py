"""The plugin's output in the terminal: one line before the tests, a table after them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_dgbudget.config.key_hint import key_hint
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.plugin.hook_problems import HookProblems
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.report.document import FinishedRun, UsageDocument
from pytest_dgbudget.report.header import (
    TRANSCRIPT_IS_AT,
    budget_phrase,
    remarks,
    report_lines,
    target_phrase,
)
from pytest_dgbudget.report.plain_text import harmless_line
from pytest_dgbudget.report.reconciliation import reconciliation_lines
from pytest_dgbudget.report.regression import regression_lines
from pytest_dgbudget.report.run_line import recorded_line, run_line, unused_line
from pytest_dgbudget.report.run_remarks import (
    no_session_line,
    no_test_line,
    protocol_line,
    remark_lines,
    warning_lines,
)
from pytest_dgbudget.report.table_cells import cost_line, latency_line
from pytest_dgbudget.report.tests_table import MOST_ROWS, table_of_tests
from pytest_dgbudget.report.usage_file import FILE_NAME
from pytest_dgbudget.units import format_time


def header_lines(config: pytest.Config, run_config: RunConfig) -> list[str]:
    """Return the header: the target, whether it is billed, the budgets, where the report goes, and what to know."""
    target = target_phrase(run_config, lambda word: config.get_terminal_writer().markup(word, red=True, bold=True))
    per_test = "no budget" if run_config.test_budget_ms is None else format_time(run_config.test_budget_ms)
    report = shown_path(run_config.report_dir / FILE_NAME, config.invocation_params.dir)
    lines = [f"{target}; {budget_phrase(run_config)}, {per_test} per test; report {report}"]
    lines += remarks(run_config, _listens_at(config, run_config.listen), utc_now())
    lines += config.stash[STATE].remarks
    hint = None if run_config.has_key else key_hint(os.environ, config.rootpath)
    lines += [] if hint is None else [hint]
    if config.pluginmanager.has_plugin("dsession") and run_config.test_budget_ms is None:
        lines.append("without a test budget one voice-agent test runs at a time; set --dg-test-budget")
    return [f"dgbudget: {line}" for line in lines]


def _listens_at(config: pytest.Config, where: str | None) -> str | None:
    """Return the address as it is bound, where that has happened."""
    activation = config.stash[STATE].activation
    return where if activation is None else activation.listens_at or where


def show(terminalreporter: pytest.TerminalReporter, finished: FinishedRun) -> None:
    """Write the table of tests (not under -q), the run's line, the reconciliation and the notices."""
    document, state = finished["document"], terminalreporter.config.stash[STATE]
    if terminalreporter.verbosity < -1:
        if state.run_config.records:  # the exit status is 1 for what became no cassette
            _show_lack_of_cassettes(terminalreporter)
        return
    terminalreporter.ensure_newline()
    terminalreporter.section("dgbudget", sep="-")
    unused = None if document is None else unused_line(document)
    if unused is not None:
        _write(terminalreporter, unused)
    elif document is not None:
        if terminalreporter.verbosity >= 0 and document["tests"]:
            _show_table(terminalreporter, document)
        _write(terminalreporter, run_line(document), red=document["run"]["failing"])
        for warning in warning_lines(document):
            _write(terminalreporter, warning, yellow=True)
        for regressed in regression_lines(document):
            _write(terminalreporter, regressed, yellow=True)
        # What was recorded is said with where it went.
        unasked = [recorded_line, *([protocol_line] if state.run_config.check_protocol == "off" else [])]
        for remark in remark_lines(document, unasked):
            _write(terminalreporter, remark)
        _show_reconciliation(terminalreporter, document)
    if (refused := no_test_line(0 if state.activation is None else state.activation.came_without_test)) is not None:
        _write(terminalreporter, refused, yellow=True)
    elif document is not None and not _refused_all(finished) and (reached := no_session_line(document)):
        _write(terminalreporter, reached, yellow=True)
        if (lack := state.what_programs_lack) is not None:
            _write(terminalreporter, lack, yellow=True)
    _show_what_failed_tests_are_told(terminalreporter)
    if finished["report"] is not None:
        for line in report_lines(Path(finished["report"]), terminalreporter.config.invocation_params.dir):
            _write(terminalreporter, line)
    if state.run_config.records:
        _show_cassettes(terminalreporter)
    for notice in finished["notices"]:
        _write(terminalreporter, notice, yellow=True)


def _show_cassettes(terminalreporter: pytest.TerminalReporter) -> None:
    from pytest_dgbudget.plugin.cassettes import cassettes_of_run

    gathered = cassettes_of_run(terminalreporter.config)
    if gathered is None:
        return
    if (made := gathered.made_line()) is not None:
        _write(terminalreporter, made)
    _show_lack_of_cassettes(terminalreporter)


def _show_lack_of_cassettes(terminalreporter: pytest.TerminalReporter) -> None:
    from pytest_dgbudget.plugin.cassettes import cassettes_of_run

    gathered = cassettes_of_run(terminalreporter.config)
    for problem in () if gathered is None else gathered.problem_lines():
        _write(terminalreporter, problem, yellow=True)


def _write(terminalreporter: pytest.TerminalReporter, text: str, **markup: bool) -> None:
    """Write a line of text, whoever it is from, as this terminal can show it."""
    terminalreporter.write_line(harmless_line(text, _encoding_of(terminalreporter)), **markup)


def _encoding_of(terminalreporter: pytest.TerminalReporter) -> str:
    return getattr(terminalreporter._tw._file, "encoding", None) or "utf-8"


def _show_table(terminalreporter: pytest.TerminalReporter, document: UsageDocument) -> None:
    """Write the table, all of it under -v, and what its marks mean."""
    table = table_of_tests(
        document,
        width=terminalreporter._tw.fullwidth,
        color=bool(terminalreporter.hasmarkup),
        encoding=_encoding_of(terminalreporter),
        most=MOST_ROWS if terminalreporter.verbosity == 0 else None,
    )
    terminalreporter.write(table)
    for line in filter(None, (cost_line(document), latency_line(document))):
        _write(terminalreporter, line)


def show_hook_problems(terminalreporter: pytest.TerminalReporter, problems: HookProblems) -> None:
    """Write what became of hooks that raised or hung."""
    if terminalreporter.verbosity < -1:
        return
    terminalreporter.ensure_newline()
    terminalreporter.section("dgbudget hooks", sep="-")
    for line in problems.lines():
        _write(terminalreporter, line, yellow=True)


def _refused_all(finished: FinishedRun) -> bool:
    """Return whether the gateway says that it refused clients, for want of a test, a key or credit: they reached it."""
    return any(
        code in notice for notice in finished["notices"] for code in (codes.NO_TEST, codes.CREDIT, codes.RUN_KEY)
    )


def _show_what_failed_tests_are_told(terminalreporter: pytest.TerminalReporter) -> None:
    """Write our report sections of failed tests where --tb=no keeps pytest from showing them."""
    if terminalreporter.config.getoption("tbstyle", None) != "no":
        return
    for report in [*terminalreporter.stats.get("failed", ()), *terminalreporter.stats.get("error", ())]:
        for title, text in report.sections:
            if title.startswith("Captured dgbudget"):
                told = text.partition("\n\n")[0] if text.startswith(TRANSCRIPT_IS_AT) else text
                for line in f"{report.nodeid}: {told}".splitlines():
                    _write(terminalreporter, line)


def _show_reconciliation(terminalreporter: pytest.TerminalReporter, document: UsageDocument) -> None:
    disagrees = document["reconciliation"]["verdict"] == "discrepancy"
    for number, line in enumerate(reconciliation_lines(document)):
        _write(terminalreporter, line, red=disagrees and number == 0)
