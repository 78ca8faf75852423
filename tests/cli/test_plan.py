"""``dgbudget plan``: a pytest that only plans, its exit status, and one JSON document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_dgbudget.cli import main
from tests.ledger.test_past import spend
from tests.support.ledger import open_ledger

TEST = "test_it.py::test_it"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one test, which took five seconds, twice, and once eight."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text("def test_it(voice_agent): raise AssertionError\n", encoding="utf-8")
    for number, ms in enumerate((5000, 5000, 8000)):
        ledger = open_ledger(
            tmp_path / ".dgbudget/ledger.db", id=str(number), run=str(number), target="live", billed=True
        )
        spend(ledger, ms, ms, nodeid=TEST)
        ledger.close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_plan_is_one_json_document_and_what_pytest_writes_is_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json", "--budget", "6s", "-k", "it"]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    assert (document["schema"], document["fits"]) == ("dgbudget.plan/1", "perhaps")
    assert [(test["nodeid"], test["median_seconds"], test["p90_seconds"]) for test in document["tests"]] == [
        (TEST, 5, 8)
    ]
    assert "run budget of 6s: may not fit: 8s at p90" in err


def test_strict_fails_what_may_not_fit(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--strict", "--dg-budget=6s"]) == 1
    assert "run budget of 6s: may not fit: 8s at p90" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["--budget=4s"], 1, marks=pytest.mark.slow),
        pytest.param(["--strict", "--budget=10s"], 0, marks=pytest.mark.slow),
        pytest.param(["--budget=soon"], 4, marks=pytest.mark.slow),
        pytest.param(["--json", "--no-such-option"], 4, marks=pytest.mark.slow),
        pytest.param(["-k", "nothing"], 5, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_exit_status_is_pytests(arguments: list[str], status: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *arguments]) == status
    assert "--json" not in arguments or capfd.readouterr().out == ""
