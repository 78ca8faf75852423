"""What ``dgbudget report --since`` adds up, held against sums over the sessions that were written into the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dgbudget.cli import main
from tests.support.spent_runs import Took, add_run

EARLIER, PERIOD = ("2024-03-01", "2024-03-02"), ("2024-03-03", "2024-03-04")
BESIDE = ("2024-02-29", "2024-03-05")
TESTS = ("test_a.py::test", "test_b.py::test", "test_c.py::test")
LEASED_MS = 60_000
FILES = count()


class Run(NamedTuple):
    """A run, as the ledger gets it."""

    day: str
    target: str
    tests: Mapping[str, Sequence[Took]]
    emulated: frozenset[str]
    reconciled: bool

    def target_of(self, test: str) -> str:
        return "emulator" if test in self.emulated else self.target

    def sessions(self) -> dict[str, list[Took]]:
        """Return those of each test: none but an emulator skips time."""
        return {
            test: [each if self.target_of(test) == "emulator" else replace(each, skipped_seconds=None) for each in took]
            for test, took in self.tests.items()
        }


class Row(NamedTuple):
    """What one session came to by the rules of docs/report-command.md."""

    target: str
    run: str
    day: str
    test: str
    took: Took
    ms: int
    micro_usd: int | None
    stated: bool


TOOK = st.builds(
    Took,
    seconds=st.integers(1, 59_000).map(lambda ms: ms / 1000),
    micro_usd_per_minute=st.sampled_from([75_000, 75_000, 163_000, None]),
    tier=st.sampled_from(["standard", "advanced"]),
    lost=st.sampled_from([False, False, False, True]),
    estimated=st.booleans(),
    skipped_seconds=st.none() | st.integers(0, 20_000).map(lambda ms: ms / 1000),
)
RUNS = st.lists(
    st.builds(
        Run,
        day=st.sampled_from([*EARLIER, *PERIOD, *BESIDE]),
        target=st.sampled_from(["live", "live", "emulator", "rehearsal"]),
        tests=st.dictionaries(st.sampled_from(TESTS), st.lists(TOOK, max_size=3), max_size=3),
        emulated=st.frozensets(st.sampled_from(TESTS), max_size=1),
        reconciled=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@settings(max_examples=50)
@given(RUNS)
def test_every_sum_is_that_of_its_sessions_and_the_reasons_add_up(runs: list[Run]) -> None:
    document = reported(runs)
    now, before = rows_of(runs, PERIOD), rows_of(runs, EARLIER)
    assert {each["target"] for each in document["targets"]} == {row.target for row in (*now, *before)}
    for target in document["targets"]:
        of_target = [row for row in now if row.target == target["target"]]
        previous = [row for row in before if row.target == target["target"]]
        has_the_sums(target, of_target)
        has_the_difference(target["previous"], previous, of_target)


def reported(runs: Iterable[Run]) -> Any:
    """Return what the command says of these runs."""
    path = Path(f"{next(FILES)}.db")
    add_run(path, "beside all of them", "2024-01-01T12:00:00.000Z", {})
    for number, run in enumerate(runs):
        others: dict[str, Any] = {"emulated": [*run.emulated], "reconciled": run.reconciled}
        add_run(path, f"run-{number}", f"{run.day}T12:00:00.000Z", run.sessions(), target=run.target, **others)
    since, until = PERIOD
    where = [f"--ledger=sqlite:///{path}", "--json", "--output=it.json"]
    assert main(["report", f"--since={since}", f"--until={until}", "--top=99", *where]) == 0
    path.unlink()
    return json.loads(Path("it.json").read_text(encoding="utf-8"))


def rows_of(runs: Iterable[Run], days: Sequence[str]) -> list[Row]:
    return [
        row_of(f"run-{number}", run, test, took)
        for number, run in enumerate(runs)
        if run.day in days
        for test, sessions in run.sessions().items()
        for took in sessions
    ]


def row_of(name: str, run: Run, test: str, took: Took) -> Row:
    stated = run.reconciled and run.target == "live" and not took.lost and took.micro_usd_per_minute is not None
    ms = LEASED_MS if took.lost else round(1000 * took.seconds)
    if not took.lost:
        ms += round(1000 * (took.skipped_seconds or 0))
    return Row(run.target_of(test), name, run.day, test, took, ms, took.micro_usd(ms), stated)


def has_the_sums(target: Any, rows: Sequence[Row]) -> None:
    adds_up(target["spending"], rows)
    for listed, name, by in (
        ("days", "day", lambda row: row.day),
        ("tests", "nodeid", lambda row: row.test),
        ("runs", "id", lambda row: row.run),
    ):
        groups = grouped(rows, by)
        assert {each[name] for each in target[listed]} == groups.keys()
        for each in target[listed]:
            adds_up(each, groups[each[name]])
    seen = grouped(rows, lambda row: row.took.tier)
    for each in target["tiers"]:
        metered = [row for row in seen[each["tier"]] if not row.took.lost]
        assert each["sessions"] == len(seen[each["tier"]])
        assert round(1000 * each["seconds"]) == sum(row.ms for row in metered)


def adds_up(figures: Any, rows: Sequence[Row]) -> None:
    known = sum(row.micro_usd or 0 for row in rows)
    is_known = all(row.micro_usd is not None for row in rows)
    assert figures["sessions"] == len(rows)
    assert round(1000 * figures["seconds"]) == sum(row.ms for row in rows)
    assert round(1e6 * figures["known_usd"]) == known
    assert figures["cost_usd"] == (figures["known_usd"] if is_known else None)
    assert figures["estimated"] == (any(row.took.estimated or row.took.lost for row in rows) if is_known else None)
    assert round(1000 * figures["at_risk_seconds"]) == sum(row.ms for row in rows if row.took.lost)
    if all(row.target == "live" for row in rows):
        all_stated = bool(rows) and all(row.stated for row in rows)
        assert figures["vendor_usd"] == (figures["cost_usd"] if all_stated else None)


def has_the_difference(previous: Any, before: Sequence[Row], now: Sequence[Row]) -> None:
    adds_up(previous["spending"], before)
    assert previous["runs"] == len({row.run for row in before})
    ms = sum(row.ms for row in now) - sum(row.ms for row in before)
    assert round(1000 * previous["delta_seconds"]) == ms
    assert sum(round(1000 * each["seconds"]) for each in previous["reasons"]) == ms
    if any(row.micro_usd is None for row in (*before, *now)):
        assert {previous["delta_usd"], *(each["usd"] for each in previous["reasons"])} == {None}
        return
    micro_usd = sum(row.micro_usd or 0 for row in now) - sum(row.micro_usd or 0 for row in before)
    assert round(1e6 * previous["delta_usd"]) == micro_usd
    assert sum(round(1e6 * each["usd"]) for each in previous["reasons"]) == micro_usd


def grouped(rows: Iterable[Row], by: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(by(row), []).append(row)
    return groups
