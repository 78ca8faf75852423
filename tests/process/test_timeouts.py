"""What else stops a test: pytest-timeout, faulthandler, a debugger that waits for somebody."""

from __future__ import annotations

import pytest

from tests.support.ledger import ends_of_leases
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.vendor import Vendor


@pytest.mark.slow
def test_a_signal_of_pytest_timeout_is_an_ordinary_failure(project: Project, vendor: Vendor) -> None:
    project.use("timeouts/test_hangs.py")
    result = project.run("--dg-budget=10m", "--timeout=5", "--timeout-method=signal", env=vendor.environ)
    assert result.status == 1, result.output
    assert result.outcomes() == {"test_before": "passed", "test_hangs": "failed"}
    assert result.usage["run"]["complete"]
    assert vendor.wait_closed(2)[1].seconds < 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "stops",
    [
        ("--timeout=5", "--timeout-method=thread"),
        pytest.param(
            ("-o", "faulthandler_timeout=5", "-o", "faulthandler_exit_on_timeout=true"),
            marks=pytest.mark.skipif(pytest.version_tuple < (8, 4), reason="faulthandler_exit_on_timeout: pytest 8.4"),
        ),
    ],
    ids=["pytest-timeout", "faulthandler"],
)
def test_i10_what_ends_pytest_at_once_leaves_a_full_report_and_no_session(
    project: Project, vendor: Vendor, stops: tuple[str, ...]
) -> None:
    project.use("timeouts/test_hangs.py")
    result = project.run(
        "--dg-budget=10m", "--junitxml=junit.xml", "--dg-reconcile=off", *stops, env=vendor.environ, timeout=40
    )
    seen = vendor.wait_closed(2)
    report = project.path / ".dgbudget/report/usage.json"
    wait_until(report.exists)
    assert not (project.path / "junit.xml").exists(), "pytest itself was able to end"
    assert result.outcomes() == {"test_before": "passed", "test_hangs": None}
    figures = {session["request_id"]: session["seconds"] for session in result.usage["sessions"]}
    assert figures == {each.request_id: pytest.approx(each.seconds, abs=0.1) for each in seen}
    assert not result.usage["run"]["complete"]
    assert ends_of_leases(project.path) == ["settled", "settled"]


@pytest.mark.slow
def test_a_faulthandler_that_only_reports_changes_nothing(project: Project, vendor: Vendor) -> None:
    """It is due while all threads wait: CPython itself may crash when it reports a thread that runs."""
    project.use("timeouts/test_hangs.py")
    environ = {**vendor.environ, "HANGS": "6"}
    result = project.run("--dg-budget=10m", "-o", "faulthandler_timeout=3", env=environ)
    assert result.status == 0, result.output
    assert "Timeout (0:00:03" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "arguments"),
    [("test_breakpoint.py", ()), ("test_fails.py", ("--pdb",))],
    ids=["breakpoint", "post-mortem"],
)
def test_i4_a_debugger_does_not_keep_a_session_beyond_its_deadline(
    project: Project, vendor: Vendor, source: str, arguments: tuple[str, ...]
) -> None:
    project.use(f"timeouts/{source}")
    process = project.start("--dg-budget=10m", *arguments, env=vendor.environ, talks=True)
    (seen,) = vendor.wait_closed(1)
    assert seen.seconds <= 1.5
    assert process.poll() is None, "the debugger waits"
    assert process.stdin is not None
    process.stdin.write("continue\ncontinue\n")
    result = project.result(process)
    assert result.status == 1, result.output
    assert "(Pdb)" in result.output
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "test-budget"
