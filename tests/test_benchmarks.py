"""The benchmarks: their harness as pure rules, and of the figures only what no busy machine can change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import history, replay
from benchmarks.__main__ import main
from benchmarks.comparison import NULL, Benchmark, Figure, Reach, Result, Subject, measured, run, shuffled, with_null
from benchmarks.filled_ledgers import Files, Past
from benchmarks.samples import reduce, spread
from pytest_dgbudget.cassette.store import cassettes_in, write_cassettes
from tests.support.cassettes import cassette

ROOT = Path(__file__).parent.parent
SAMPLES = st.lists(st.floats(0, 1000), min_size=1)


def benchmark(*trials: Any, reach: Reach | None = None, null_within: float | None = None) -> Benchmark:
    return Benchmark(
        name="it",
        title="it",
        subjects=[Subject(name=f"subject {number}", trial=trial) for number, trial in enumerate(trials)],
        figures=[Figure(name="ms", unit="ms", reach=reach)],
        trials=4,
        quick_trials=2,
        null_within=null_within,
    )


def result_of(null: float, ours: float = 1.0) -> Result:
    samples = {"subject 0": {"ms": [(1.0,)]}, "subject 1": {"ms": [(ours,)]}, NULL: {"ms": [(null,)]}}
    reach = Reach(subject="subject 1", limit=1.5, of="ratio")
    return Result(benchmark=benchmark(dict, dict, reach=reach), samples=samples, left_out={})


@given(SAMPLES)
def test_a_spread_lies_around_its_median_and_within_the_samples(samples: list[float]) -> None:
    found = spread(samples)
    assert min(samples) <= found.low <= found.median <= found.high <= max(samples)
    assert reduce(samples, "p50") == found.median
    assert reduce(samples, "max") == max(samples)


@pytest.mark.parametrize(("null", "judges"), [(1, True), (0.96, True), (0.94, False), (1.06, False)])
def test_where_the_same_thing_twice_differs_nothing_is_judged(null: float, judges: bool) -> None:
    (judgement,) = result_of(null).judgements()
    assert judgement.verdict == ("reached" if judges else "not judged")


@pytest.mark.parametrize(("ours", "verdict"), [(1.4, "reached"), (1.6, "missed")])
def test_a_figure_reaches_its_limit_or_misses_it(ours: float, verdict: str) -> None:
    (judgement,) = result_of(1, ours).judgements()
    assert judgement.verdict == verdict


def test_figures_near_zero_are_judged_by_how_far_they_differ() -> None:
    samples = {"subject 0": {"ms": [(0.01,)]}, NULL: {"ms": [(0.5,)]}}
    for within, judges in ((1.0, True), (0.1, False)):
        assert Result(benchmark=benchmark(dict, null_within=within), samples=samples, left_out={}).judges is judges


def test_rounds_are_interleaved_each_in_an_order_of_its_own() -> None:
    order: list[str] = []

    def noting(name: str) -> Callable[[], dict[str, float]]:
        def trial() -> dict[str, float]:
            order.append(name)
            return {"ms": 1.0}

        return trial

    made = benchmark(noting("a"), noting("b"))
    samples = measured(made, with_null(made, made.subjects), 9, lambda _: None)
    rounds = ["".join(order[at : at + 3]) for at in range(0, len(order), 3)]
    assert {"".join(sorted(each)) for each in rounds} == {"aab"}
    assert set(rounds) == {"aab", "aba", "baa"}
    assert {name: len(of["ms"]) for name, of in samples.items()} == {"subject 0": 9, "subject 1": 9, NULL: 9}


def test_nobody_always_comes_after_the_same_one() -> None:
    subjects = [Subject(name=str(n), trial=dict) for n in range(4)]
    orders = [[subject.name for subject in shuffled(subjects, number)] for number in range(40)]
    assert len({pair for order in orders for pair in pairwise(order)}) == 4 * 3


def test_a_figure_that_should_be_high_misses_below_its_reach() -> None:
    high = Figure(name="ms", unit="1/s", better="higher", reach=Reach(subject="subject 1", limit=0.65, of="ratio"))
    made = replace(benchmark(dict, dict), figures=[high])
    for ours, verdict in ((0.7, "reached"), (0.6, "missed")):
        samples = {"subject 0": {"ms": [(1.0,)]}, "subject 1": {"ms": [(ours,)]}, NULL: {"ms": [(1.0,)]}}
        assert [each.verdict for each in Result(benchmark=made, samples=samples, left_out={}).judgements()] == [verdict]


def test_a_ratio_is_to_the_reference_of_its_own_round() -> None:
    """So that a machine that slows down in between changes nothing."""
    made = benchmark(dict, dict)
    samples = {"subject 0": {"ms": [(1.0,), (10.0,), (100.0,)]}, "subject 1": {"ms": [(2.0,), (20.0,), (200.0,)]}}
    ratio = Result(benchmark=made, samples=samples, left_out={}).ratio("subject 1", made.figures[0])
    assert ratio is not None
    assert (ratio.low, ratio.median, ratio.high) == (2, 2, 2)


def test_rounds_that_warm_up_do_not_count() -> None:
    coming = iter([1000.0, 1000.0, 1.0, 1.0, 1.0, 1.0])
    made = benchmark(lambda: {"ms": next(coming)})
    assert run(made, quick=True).value("subject 0", made.figures[0]) == 1


def test_a_benchmark_that_breaks_is_reported_and_exits_1_after_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = benchmark(lambda: {"ms": 1.0}), benchmark(lambda: 1 / 0)
    assert main([], chosen=lambda names: [bad, good]) == 1
    printed = capsys.readouterr()
    assert "ZeroDivisionError" in printed.err
    assert "judged: yes" in printed.out


def test_what_is_not_installed_is_named_and_left_out() -> None:
    assert "no_such" in run(replace(benchmark(dict), needs=["no_such"]), quick=True).left_out["it"]


def test_the_list_names_every_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    files = (ROOT / "benchmarks").glob("*.py")
    assert listed == {file.stem for file in files if "\ndef benchmarks()" in file.read_text(encoding="utf-8")}


def test_a_name_that_there_is_not_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no_such"]) == 2
    assert "no benchmark is called no_such" in capsys.readouterr().err


def measure(*names: str) -> dict[str, dict[str, Any]]:
    """Run benchmarks quickly; what came of each, by name."""
    command = [sys.executable, "-m", "benchmarks", *names, "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True)
    return {each["name"]: each for each in json.loads(done.stdout)["benchmarks"]}


def value(result: dict[str, Any], subject: str, figure: str) -> float:
    found: float = result["subjects"][subject][figure]["value"]
    return found


def test_where_there_is_something_smaller_that_runs_when_it_should_be_quick() -> None:
    made = replace(benchmark(lambda: {"ms": 2.0}), smaller=benchmark(lambda: {"ms": 1.0}))
    assert [run(made, quick=quick).value("subject 0", made.figures[0]) for quick in (False, True)] == [2, 1]


def figures_of(made: Benchmark) -> dict[str, set[str]]:
    """Run one trial of each; which figures each subject has."""
    result = run(replace(made, quick_trials=1, warm_up=0), quick=True)
    return {
        subject: {name for name, rounds in figures.items() if any(map(sum, rounds))}
        for subject, figures in result.samples.items()
    }


@pytest.mark.parametrize("benchmark_of", [history.in_cache, history.not_in_cache])
def test_the_past_of_many_runs_is_measured_beside_none(
    benchmark_of: Callable[[Files], Benchmark], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "TIMES", 1)
    figures = figures_of(benchmark_of(Files(Past(runs=3, invocations=1, sessions=2), tmp_path)))
    assert set(figures) >= {"an empty ledger", NULL, "a filled ledger"}
    assert all(each == {"all three", "opening", "first session", "report"} for each in figures.values())


def test_the_past_of_one_run_is_measured_with_closed_sums_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "TIMES", 1)
    figures = figures_of(history.one_run_id(Files(Past(runs=1, invocations=3, sessions=2), tmp_path)))
    assert len(figures) == 6
    assert all(each == {"both", "opening", "first session"} for each in figures.values())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_whole_pytest_runs_in_a_ledger_with_a_past(tmp_path: Path) -> None:
    figures = figures_of(history.whole_pytest(Files(Past(runs=3, invocations=1, sessions=2), tmp_path)))
    assert all(each == {"whole pytest"} for each in figures.values())


def test_a_cassette_is_made_longer_by_its_agents_audio_alone(tmp_path: Path) -> None:
    short = cassette(tmp_path)
    made = replay.with_a_minute(short)
    write_cassettes(tmp_path / "cassettes", [made])
    (longer,) = cassettes_in(tmp_path / "cassettes")
    assert longer.events == made.events
    assert [event.at_ms for event in longer.events] == [event.at_ms for event in short.events]
    assert longer.audio["client_to_server"] == short.audio["client_to_server"]
    assert len(longer.audio["server_to_client"]) >= 60 * 32_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cut_comes_far_earlier_than_what_a_test_can_do_itself() -> None:
    result = measure("lateness.regex")["lateness.regex"]
    assert value(result, "pytest-dgbudget", "lateness, worst") * 3 < value(result, "a watchdog thread", "lateness, p50")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_relay_needs_less_than_one_that_reads_every_message() -> None:
    result = measure("echo")["echo"]
    cpu = "CPU of the relay (direct: of the client)"
    assert value(result, "through the gateway", cpu) < value(result, "through a message-level relay", cpu)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_sessions_are_opened_and_closed_in_each_way_that_is_installed() -> None:
    subjects = measure("open_close")["open_close"]["subjects"]
    assert {"websockets", NULL, "websockets through the gateway", "voice_agent.connect()"} <= set(subjects)
    assert all(subject["milliseconds"]["value"] > 0 for subject in subjects.values())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fifty_sessions_at_the_pace_of_speech_get_all_of_their_audio_back() -> None:
    result = measure("realtime.50")["realtime.50"]
    # What does not come back counts as a second.
    assert value(result, "through the gateway", "round trip p99") < 500


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_conversation_is_recorded_and_replayed_in_each_way_and_its_cassette_is_small() -> None:
    (made,) = replay.benchmarks()
    result = run(replace(made, quick_trials=1, warm_up=0), quick=True)
    took, off, _, size = made.figures
    assert None not in [result.value(subject, took) for subject in (replay.AT_ONCE, replay.LONGER)]
    assert result.value(replay.IN_ITS_TIME, off) is not None
    assert (result.value(replay.AT_ONCE, size) or 2) <= 1.1
