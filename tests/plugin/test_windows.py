"""A live run whose windows find no earlier run says so before its tests; where one is required, there are none."""

from __future__ import annotations

import pytest

from tests.support.vendor import KEY

WINDOW = '[window]\nday = "2h"\n'


@pytest.fixture
def live(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of a live run that opens nothing."""
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("def test_it():\n    pass\n")
    return ["--dg-target=live", "--dg-budget=1m", "--dg-reconcile=off"]


def test_the_header_says_that_windows_find_no_earlier_run(pytester: pytest.Pytester, live: list[str]) -> None:
    (pytester.path / "dgbudget.toml").write_text(WINDOW, encoding="utf-8")
    result = pytester.runpytest_inprocess(*live)
    result.stdout.fnmatch_lines(["dgbudget: the windows find no earlier billed run in the ledger *=postgresql://*"])
    assert result.ret == 0


def test_where_an_earlier_run_is_required_there_is_a_usage_error(pytester: pytest.Pytester, live: list[str]) -> None:
    (pytester.path / "dgbudget.toml").write_text(f"{WINDOW}require_history = true\n", encoding="utf-8")
    result = pytester.runpytest_inprocess(*live)
    result.stderr.fnmatch_lines(["ERROR: pytest-dgbudget: [[]window] require_history = true in dgbudget.toml asks *"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert pytester.runpytest_inprocess(*live, "--collect-only").ret == 0
