"""The plugin's output in the terminal: one line before the tests, a table after them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_dgbudget.config.key_hint import key_hint
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.plugin.hook_problems import HookProblems
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.report.document import FinishedRun, UsageDocument
from pytest_dgbudget.report.header import TRANSCRIPT_IS_AT, budget_phrase, remarks, shown_path, target_phrase
from pytest_dgbudget.report.reconciliation import sentences, verdict_line
from pytest_dgbudget.report.regression import regression_lines
from pytest_dgbudget.report.terminal import (
    cost_line,
    leaks_line,
    longest_wait,
    no_session_line,
    no_test_line,
    protocol_line,
    run_keys_line,
    run_line,
    table_of_tests,
    unused_line,
    warning_lines,
)
from pytest_dgbudget.report.usage_file import FILE_NAME
from pytest_dgbudget.units import format_time


def header_lines(config: pytest.Config, run_config: RunConfig) -> list[str]:
    """Return the header: the target, whether it is billed, the budgets, where the report goes, and what to know."""
    target = target_phrase(run_config, lambda word: config.get_terminal_writer().markup(word, red=True, bold=True))
    per_test = "no budget" if run_config.test_budget_ms is None else format_time(run_config.test_budget_ms)
    report = shown_path(run_config.report_dir / FILE_NAME, config.rootpath)
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


def show(terminalreporter: pytest.TerminalReporter, finished: FinishedRun, rootdir: Path) -> None:
    """Write the table of tests (not under -q), the run's line, the reconciliation and the notices."""
    document, state = finished["document"], terminalreporter.config.stash[STATE]
    if terminalreporter.verbosity < -1:
        return
    terminalreporter.ensure_newline()
    terminalreporter.section("dgbudget", sep="-")
    unused = None if document is None else unused_line(document)
    if unused is not None:
        terminalreporter.write_line(unused)
    elif document is not None:
        if terminalreporter.verbosity >= 0 and document["tests"]:
            color = bool(terminalreporter.hasmarkup)
            terminalreporter.write(table_of_tests(document, width=terminalreporter._tw.fullwidth, color=color))
            if (marks := cost_line(document)) is not None:
                terminalreporter.write_line(marks)
        markup = {"red": True} if document["run"]["failing"] else {}
        terminalreporter.write_line(run_line(document), **markup)
        for warning in warning_lines(document):
            terminalreporter.write_line(warning, yellow=True)
        for regressed in regression_lines(document):
            terminalreporter.write_line(regressed, yellow=True)
        if (keys := run_keys_line(document)) is not None:
            terminalreporter.write_line(keys)
        if (waited := longest_wait(document)) is not None:
            terminalreporter.write_line(waited)
        if state.run_config.check_protocol != "off" and (broken := protocol_line(document)) is not None:
            terminalreporter.write_line(broken)
        if (leaks := leaks_line(document)) is not None:
            terminalreporter.write_line(leaks)
        _show_reconciliation(terminalreporter, document)
    if (refused := no_test_line(0 if state.activation is None else state.activation.came_without_test)) is not None:
        terminalreporter.write_line(refused, yellow=True)
    elif document is not None and not _refused_all(finished) and (reached := no_session_line(document)):
        terminalreporter.write_line(reached, yellow=True)
        if (lack := state.what_programs_lack) is not None:
            terminalreporter.write_line(lack, yellow=True)
    _show_what_failed_tests_are_told(terminalreporter)
    if finished["report"] is not None:
        terminalreporter.write_line(f"report: {shown_path(Path(finished['report']), rootdir)}")
    for notice in finished["notices"]:
        terminalreporter.write_line(notice, yellow=True)


def show_hook_problems(terminalreporter: pytest.TerminalReporter, problems: HookProblems) -> None:
    """Write what became of hooks that raised or hung."""
    if terminalreporter.verbosity < -1:
        return
    terminalreporter.ensure_newline()
    terminalreporter.section("dgbudget hooks", sep="-")
    for line in problems.lines():
        terminalreporter.write_line(line, yellow=True)


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
                terminalreporter.write_line(f"{report.nodeid}: {told}")


def _show_reconciliation(terminalreporter: pytest.TerminalReporter, document: UsageDocument) -> None:
    line = verdict_line(document)
    if line is None:
        return
    markup = {"red": True} if document["reconciliation"]["verdict"] == "discrepancy" else {}
    terminalreporter.write_line(line, **markup)
    for sentence in sentences(document):
        terminalreporter.write_line(f"  {sentence}")
