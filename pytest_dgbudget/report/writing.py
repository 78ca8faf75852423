"""The report of a run, written into its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_dgbudget.ledger.facts import RunFacts
from pytest_dgbudget.report.artifact_folders import artifacts_of
from pytest_dgbudget.report.document import FinishedRun, UsageDocument
from pytest_dgbudget.report.projection import failed_by_overrun, overran, usage_document
from pytest_dgbudget.report.regression_figures import NO_PAST, Past
from pytest_dgbudget.report.usage_file import WrittenReport, report_of, write_files
from pytest_dgbudget.rules.soft_warnings import UsedBudget

_OF_SHARED_BUDGETS = {"path-budget", "window-budget"}
# In the order in which the end of a run has them.
_KINDS = ("run-budget", "path-budget", "window-budget", "archived", "prices")


def write_report(
    facts: RunFacts,
    folder: Path,
    invocation: str,
    notices: Sequence[str],
    shared: Sequence[UsedBudget] = (),
    *,
    reconciling: bool = False,
    past: Past = NO_PAST,
) -> FinishedRun:
    """Write the report of a run. A folder that can't be written is one notice more, and no report."""
    document, notices = usage_document(facts, notices, artifacts_of(folder, facts.id), shared, past), list(notices)
    report: str | None = None
    try:
        path, not_rendered = write_files(document, folder)
        report, notices = str(path), [*notices, *not_rendered]
    except OSError as error:
        notice = f"the report can't be written to {folder}: {error}; name another folder with --dg-report-dir"
        notices.append(notice)
    return {
        "document": document,
        "report": report,
        "notices": notices,
        "overran": overran(facts, document, invocation),
        "failed_by_overrun": failed_by_overrun(facts, document, invocation),
        "reconciling": reconciling,
    }


def rewrite_report(facts: RunFacts, folder: Path) -> WrittenReport | None:
    """Write the report of a run anew; None where the folder does not have it. Raises OSError."""
    if report_of(folder, facts.id) is None:
        return None
    return write_files(later_document(facts, folder), folder)


def later_document(facts: RunFacts, folder: Path, past: Past = NO_PAST) -> UsageDocument:
    """Return the document of a run that has ended.

    Its notices, and what warns of budgets that other runs share, are in no ledger: they are as the folder has them,
    where it has this run's report. So is how it compared with the runs before it, be that null as no session opened;
    ``past`` counts where the folder has another report, or one of a version that compared nothing.
    """
    before = report_of(folder, facts.id) or {}
    if "regression" in before:
        past = Past(before["regression"], tuple(before["history"]))
    document = usage_document(facts, before.get("notices", ()), artifacts_of(folder, facts.id), past=past)
    document["warnings"] += [each for each in before.get("warnings", ()) if each["kind"] in _OF_SHARED_BUDGETS]
    document["warnings"].sort(key=lambda warning: _KINDS.index(warning["kind"]))
    return document
