"""usage.html as real runs leave it: a browser opens it, and what is learned of a run later is on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.rendering import rendered
from tests.cli.conftest import DGBUDGET
from tests.support.markup import ReadPage
from tests.support.pages_in_browser import Shown
from tests.support.pages_in_browser import browser as browser
from tests.support.project import Project
from tests.support.statement import unsettled
from tests.support.vendor import Vendor

pytestmark = pytest.mark.slow

REPORT = ".dgbudget/report"


def page_of(project: Project) -> ReadPage:
    return ReadPage((project.path / REPORT / "usage.html").read_text(encoding="utf-8"))


def test_a_browser_opens_the_page_of_a_run_and_finds_nothing_wrong(project: Project, browser: Any) -> None:
    project.use("leaks/test_leaks.py")
    run = project.run("--dg-target=emulator", "--dg-budget=5m")
    assert run.status == 1, run.output
    context = browser.new_context()
    shown = Shown(page=context.new_page())
    shown.goto((project.path / REPORT / "usage.html").as_uri())
    shown.page.get_by_label("Only failed").check()
    assert shown.names() == ["test_leaks.py::test_fails_while_one_is_open"]
    shown.page.get_by_text("All 4 sessions").click()
    assert shown.page.locator("#sessions-table tbody tr").count() == 4
    assert "3 sessions were left open by their tests" in shown.page.locator("#attention").text_content()
    assert "emulator, not billed" in shown.page.locator("header").text_content()
    assert shown.complaints == []
    assert sorted(Path(url).name for url in shown.requests) == ["usage.css", "usage.html"]
    context.close()


def test_what_a_later_reconciliation_finds_is_on_the_page(project: Project, vendor: Vendor) -> None:
    project.use("reconciliation/test_it.py")
    vendor.bill.entries = lambda: unsettled(vendor.billed())
    run = project.run("--dg-budget=5m", "--dg-reconcile-timeout=3s", env=vendor.environ)
    assert run.status == 0, run.output
    assert "reconciliation: pending" in page_of(project).text
    vendor.bill.entries = vendor.billed
    later = project.result(project.launch([*DGBUDGET, "reconcile", "--pending"], env=vendor.environ))
    assert later.status == 0, later.output
    assert "reconciliation: reconciled" in page_of(project).text


def test_runs_that_are_merged_have_one_page(project: Project) -> None:
    project.use("leaks/test_leaks.py")
    for shard in ("one", "two"):
        arguments = (f"--dg-report-dir={shard}", f"--dg-run-id={shard}", "--dg-target=emulator", "--dg-reconcile=off")
        project.run(*arguments, "-k", "closes")
    merged = project.result(project.launch([*DGBUDGET, "merge", "one/usage.json", "two/usage.json"]))
    assert merged.status == 0, merged.output
    assert "This is a merged report: 2 runs in one." in page_of(project).text
    css = (project.path / REPORT / "usage.css").read_text(encoding="utf-8")
    assert css == rendered("usage.css", cast(UsageDocument, merged.usage))
