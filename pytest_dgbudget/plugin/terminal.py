"""The plugin's output in the terminal: one line before the tests, a table after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.report.document import FILE_NAME, FinishedRun, UsageDocument
from pytest_dgbudget.report.reconciliation import sentences, verdict_line
from pytest_dgbudget.report.terminal import leaks_line, longest_wait, run_line, table_of_tests, unused_line
from pytest_dgbudget.units import format_time


def header_lines(config: pytest.Config, run_config: RunConfig) -> list[str]:
    """Return the header: the target, whether it is billed, the budgets, where the report goes, and what to know."""
    budget = "no run budget" if run_config.budget_ms is None else f"run budget {format_time(run_config.budget_ms)}"
    per_test = "no budget" if run_config.test_budget_ms is None else format_time(run_config.test_budget_ms)
    report = _shown(run_config.report_dir / FILE_NAME, config.rootpath)
    lines = [f"{_target(config, run_config)}; {budget}, {per_test} per test; report {report}"]
    if run_config.not_live is not None:
        lines.append(run_config.not_live)
    if run_config.is_live and run_config.may_bypass:
        lines.append(f"{_lets_pass(run_config)}: sessions dialled past the gateway are not metered")
    if run_config.listen is not None:
        lines.append(f"applications elsewhere reach the gateway at {_listens_at(config, run_config.listen)}")
    if run_config.ignores_agent_url:
        lines.append(f"the target is the emulator: the agent URL {run_config.agent_url} is not used")
    if run_config.pass_other:
        lines.append("what is not metered passes on to Deepgram with the real key (dg_pass_other)")
    if config.pluginmanager.has_plugin("dsession") and run_config.test_budget_ms is None:
        lines.append("without a test budget one voice-agent test runs at a time; set --dg-test-budget")
    return [f"dgbudget: {line}" for line in lines]


def _lets_pass(run_config: RunConfig) -> str:
    """Name the settings with which a client can dial the vendor itself."""
    named = [f"--dg-redirect={run_config.redirect}"] if run_config.redirect in {"off", "warn"} else []
    named += ["dg_keep_key = true"] if run_config.keep_key else []
    named += [] if run_config.redirect_children else ["dg_redirect_children = false"]
    return ", ".join(named)


def _listens_at(config: pytest.Config, where: str) -> str:
    """Return the address as it is bound, where that has happened."""
    activation = config.stash[STATE].activation
    return where if activation is None else activation.listens_at or where


def _target(config: pytest.Config, run_config: RunConfig) -> str:
    if run_config.is_rehearsal:
        return f"rehearsal of a live run by the emulator at {run_config.agent_url}, nothing is billed"
    if not run_config.is_live:
        return "emulator, nothing is billed"
    billed = config.get_terminal_writer().markup("BILLED", red=True, bold=True)
    return f"live, {billed} by {run_config.agent_url}"


def show(terminalreporter: pytest.TerminalReporter, finished: FinishedRun, rootdir: Path) -> None:
    """Write the table of tests (not under -q), the run's line, the reconciliation and the notices."""
    document = finished["document"]
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
        markup = {"red": True} if document["run"]["failing"] else {}
        terminalreporter.write_line(run_line(document), **markup)
        if (waited := longest_wait(document)) is not None:
            terminalreporter.write_line(waited)
        if (leaks := leaks_line(document)) is not None:
            terminalreporter.write_line(leaks)
        _show_reconciliation(terminalreporter, document)
    if finished["report"] is not None:
        terminalreporter.write_line(f"report: {_shown(Path(finished['report']), rootdir)}")
    for notice in finished["notices"]:
        terminalreporter.write_line(notice, yellow=True)


def _show_reconciliation(terminalreporter: pytest.TerminalReporter, document: UsageDocument) -> None:
    line = verdict_line(document)
    if line is None:
        return
    markup = {"red": True} if document["reconciliation"]["verdict"] == "discrepancy" else {}
    terminalreporter.write_line(line, **markup)
    for sentence in sentences(document):
        terminalreporter.write_line(f"  {sentence}")


def _shown(path: Path, rootdir: Path) -> str:
    return str(path.relative_to(rootdir)) if path.is_relative_to(rootdir) else str(path)
