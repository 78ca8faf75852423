"""``dgbudget cassettes check``: files that can't be replayed, and what is wrong with how it is called.

What it finds live is in tests/process/test_drift.py.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cassette.store import write_cassettes
from pytest_dgbudget.cassette.writing import RECORDING_FILE
from pytest_dgbudget.cli import main
from pytest_dgbudget.recording.lines import LINES_FILE
from tests.support.varied_sessions import begun, injected, said

KEY = "dgemu_0123456789abcdefghij"
LIVE = ["cassettes", "check", "--live"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the current folder, with one cassette."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    keep(tmp_path, "test_orders")
    return tmp_path


def keep(root: Path, name: str, *, age_days: float = 0) -> Path:
    recorded_at = datetime.now(timezone.utc) - timedelta(days=age_days)
    script = begun().client(injected("Where is my order?")).vendor(*said("user"), *said("assistant"))
    (folder,) = write_cassettes(root / "cassettes" / name, [script.cassette(recorded_at=recorded_at)])
    return folder


def checked(capfd: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    status = main(["cassettes", "check", "--json", *options])
    document: dict[str, Any] = json.loads(capfd.readouterr().out)
    return status, document


def test_cassettes_that_can_be_read_are_fine(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["cassettes", "check"]) == 0
    assert capfd.readouterr().out == ("1 cassette can be read; --live says whether the service still does the same\n")


def test_one_that_cannot_be_read_is_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (keep(here, "test_broken") / RECORDING_FILE).write_text("{}", encoding="utf-8")
    status, document = checked(capfd)
    assert (status, document["cassettes"], [*document["problems"]]) == (1, 2, ["cassettes/test_broken/1"])


def test_what_is_wrong_is_said_with_a_path_relative_to_the_rootdir_and_with_what_to_do(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (keep(here, "test_broken") / RECORDING_FILE).write_text("{}", encoding="utf-8")
    keep(here, "test_old", age_days=100)
    (here / "pytest.ini").write_text("[pytest]\ndg_cassette_max_age = 90d\n", encoding="utf-8")
    assert main(["cassettes", "check"]) == 1
    first, *others = capfd.readouterr().out.splitlines()
    assert first.startswith("cassettes/test_broken/1/recording.json: ")
    assert others == [
        "cassettes/test_old/1: 100d old",
        "1 of 3 cassettes can't be read: where nothing else is said, restore or record it again",
        "1 of 3 cassettes is older than 90d (dg_cassette_max_age): record it again",
    ]


def test_without_any_cassettes_it_fails_since_nothing_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    with pytest.raises(SystemExit) as exited:
        main(["cassettes", "check"])
    assert exited.value.code == 2
    assert "there are no cassettes to check" in capfd.readouterr().err


def test_one_that_somebody_wrote_a_secret_into_is_named_without_it(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "sk-proj-" + "aB3dE6gH9jK2mN5pQ8sT" * 2
    lines = keep(here, "test_secret") / LINES_FILE
    lines.write_text(lines.read_text(encoding="utf-8").replace("Where is my order?", secret), encoding="utf-8")
    assert main(["cassettes", "check"]) == 1
    output = capfd.readouterr().out
    assert "cassettes/test_secret/1: the message of line " in output
    assert "or what looks like one, at /content" in output
    assert secret not in output
    assert "1 of 2 cassettes has what looks like a secret: take it out, and revoke it where it is one" in output
    assert "record" not in output


@pytest.mark.parametrize(("age", "status"), [("90d", 0), ("90d fail", 1), ("200d fail", 0)])
def test_one_that_is_too_old_is_named_and_fails_where_it_would_fail_its_test(
    here: Path, capfd: pytest.CaptureFixture[str], age: str, status: int
) -> None:
    keep(here, "test_old", age_days=100)
    (here / "pytest.ini").write_text(f"[pytest]\ndg_cassette_max_age = {age}\n", encoding="utf-8")
    found, document = checked(capfd)
    assert (found, [*document["too_old"]]) == (status, [] if "200" in age else ["cassettes/test_old/1"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cassettes", "check", "--budget=2m"], "a budget is for sessions, which only --live opens: add --live"),
        (LIVE, "target live needs a run budget: add --budget=TIME or --cost-budget=USD"),
        ([*LIVE, "--budget=2m", "--patience=soon"], "--patience: 'soon'"),
        ([*LIVE, "--budget=2m", "--set=Settings"], "--set Settings: TYPE/POINTER=VARIABLE is wanted"),
        ([*LIVE, "--budget=2m", "--set=Settings/a=NOT_SET"], "the environment has no variable NOT_SET"),
        ([*LIVE, "--budget=2m", "--cassette-dir=elsewhere"], "there is no folder elsewhere"),
    ],
)
def test_bad_usage_is_said_and_opens_nothing(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert says in capfd.readouterr().err
    assert not (here / ".dgbudget").exists()


def test_live_needs_a_key(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*LIVE, "--budget=2m"])
    assert "target live needs a key" in capfd.readouterr().err
