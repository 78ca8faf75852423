"""The markers ``dg_budget("30s", cost=0.05, idle="10s")``, ``dg_scenario("orders.toml", name="refund")``,
``dg_target("emulator")``, ``dg_latency(p95="1.5s", turns=5)`` and ``dg_cassette(ignore=["Settings/tags"])``, and their
errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config import API_KEY_VARIABLE
from pytest_dgbudget.config.parsing import (
    cassette_audio,
    cassette_ignore,
    marked_time_or_off,
    marked_usd_or_off,
    time_or_off,
)
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.model import PACES, CassetteAudioRule, Pace, PathBudget, TargetName
from pytest_dgbudget.plugin.options import CASSETTE_MARKER, LATENCY_MARKER, MARKER, SCENARIO_MARKER, TARGET_MARKER
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.rules.latency_limits import LatencyLimits
from pytest_dgbudget.units import WrongCurrency

_NOT_GIVEN = object()
_NEEDS_LIVE = (
    f'{TARGET_MARKER}("live"): this run\'s target is {{}}; for a live run, set {API_KEY_VARIABLE} and add '
    "--dg-budget=TIME or --dg-cost-budget=USD"
)
_ACCEPTED = f'accepted: {MARKER}("30s"), cost=0.05, idle="10s", or "off"'
_ACCEPTED_LATENCY = f'accepted: {LATENCY_MARKER}(p50="800ms", p95="1.5s", turns=5), or "off" for a time'
_ACCEPTED_CASSETTE = f'accepted: {CASSETTE_MARKER}(ignore=["Settings/agent/think/prompt"], audio="any")'
# The arguments of dg_latency that are times, and the limits that they set.
_LATENCIES = {"p50": "p50_ms", "p95": "p95_ms"}


_PARSERS: dict[str, tuple[Callable[[str], int | None], str]] = {
    "time": (marked_time_or_off, "a time"),
    "cost": (marked_usd_or_off, "an amount of money"),
    "idle": (time_or_off, "a time"),
}


@dataclass(frozen=True, slots=True)
class OwnBudget:
    """Milliseconds, and millionths of a dollar; None is off. ``path`` is the glob of the path budget that applies."""

    budget_ms: int | None
    cost_budget_micro_usd: int | None
    idle_ms: int | None
    path: str | None


@dataclass(frozen=True, slots=True)
class BudgetOptions:
    """The arguments of ``dg_budget``."""

    time: Any = _NOT_GIVEN
    cost: Any = field(default=_NOT_GIVEN, kw_only=True)
    idle: Any = field(default=_NOT_GIVEN, kw_only=True)

    def given(self) -> dict[str, Any]:
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not _NOT_GIVEN}


@dataclass(frozen=True, slots=True)
class ScenarioOptions:
    """The arguments of ``dg_scenario``."""

    file: str | Path | None = None
    name: str | None = field(default=None, kw_only=True)
    pace: Pace | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Raise TypeError, as a wrong call does, for a value of the wrong type, or when there is none."""
        fits = isinstance(self.file, (str, Path, type(None))) and isinstance(self.name, (str, type(None)))
        if not fits or self.pace not in (None, *PACES) or not (self.names_scenario or self.pace):
            raise TypeError

    @property
    def names_scenario(self) -> bool:
        """Whether it says which scenario is played, and not the pace alone."""
        return self.file is not None or self.name is not None


def nearest_first(item: pytest.Item, name: str) -> Iterator[pytest.Mark]:
    """Return a test's markers of a name; pytest itself has those of a parameter after those of its function."""
    of_parameters = {id(marker) for marker in getattr(getattr(item, "callspec", None), "marks", ())}
    return iter(sorted(item.iter_markers(name), key=lambda marker: id(marker) not in of_parameters))


def own_budget(item: pytest.Item, run_config: RunConfig) -> OwnBudget:
    """Return a test's own budget: from the nearest marker that sets it, else from its path's, else from the run's.

    Raises SettingsError for a bad marker.
    """
    marked: dict[str, int | None] = {}
    for marker in nearest_first(item, MARKER):
        marked = {**_given(marker, run_config), **marked}
    path = path_of_item(item, run_config) if run_config.paths else None
    return OwnBudget(
        budget_ms=marked.get("time", _time_by_default(path, run_config)),
        cost_budget_micro_usd=marked.get("cost", None if path is None else path.test_micro_usd),
        idle_ms=marked.get("idle", run_config.idle_ms),
        path=None if path is None else path.glob,
    )


def path_of_item(item: pytest.Item, run_config: RunConfig) -> PathBudget | None:
    """Return the path budget that applies to a test; None where none does."""
    from pytest_dgbudget.rules.path_budgets import path_of

    file, rootdir = item.path, item.config.rootpath
    return path_of(file.relative_to(rootdir).as_posix(), run_config.paths) if file.is_relative_to(rootdir) else None


def _time_by_default(path: PathBudget | None, run_config: RunConfig) -> int | None:
    if path is None or (path.test_ms is None and not path.test_is_off):
        return run_config.test_budget_ms
    return path.test_ms


def own_scenario(item: pytest.Item, run_config: RunConfig) -> str | None:
    """Return a test's scenario, FILE or FILE::NAME: the nearest marker's, else that of the run's configuration.

    Raises SettingsError for a bad marker. The emulator checks whether the file can be played.
    """
    given = ((marker, _scenario_options(marker)) for marker in nearest_first(item, SCENARIO_MARKER))
    marker, options = next((each for each in given if each[1].names_scenario), (None, None))
    if marker is None or options is None:
        return run_config.scenario
    if options.file is not None:
        path = str(item.config.invocation_params.dir / options.file)
    elif run_config.scenario is not None:
        path = run_config.scenario.partition("::")[0]
    else:
        raise SettingsError(f"{_shown(marker)} names no file, and neither does --dg-scenario")
    if not Path(path).is_file():
        advice = f"; to choose a scenario, write {SCENARIO_MARKER}('FILE', name='NAME')" if "::" in path else ""
        raise SettingsError(f"{_shown(marker)}: there is no file {path}{advice}")
    return path if options.name is None else f"{path}::{options.name}"


def own_pace(item: pytest.Item, run_config: RunConfig) -> Pace:
    """Return how a test's emulator spends time: as the nearest marker says that says it, else as the run's does.

    Raises SettingsError for a bad marker.
    """
    paces = (_scenario_options(marker).pace for marker in nearest_first(item, SCENARIO_MARKER))
    return next((pace for pace in paces if pace is not None), run_config.pace)


def own_latency_limits(item: pytest.Item) -> LatencyLimits | None:
    """Return how slow a test's turns may be, each limit as the nearest marker says that says it; None without one.

    Raises SettingsError for a bad marker.
    """
    marked: dict[str, Any] = {}
    for marker in nearest_first(item, LATENCY_MARKER):
        marked = {**_latency_limits(marker), **marked}
    return LatencyLimits(**marked) if marked else None


def _latency_limits(marker: pytest.Mark) -> dict[str, int | None]:
    if marker.args or not marker.kwargs.keys() <= {*_LATENCIES, "turns"}:
        raise SettingsError(f"{_shown(marker)} is not understood; {_ACCEPTED_LATENCY}")
    if not marker.kwargs:
        raise SettingsError(f"{_shown(marker)} is empty; {_ACCEPTED_LATENCY}")
    turns = {"turns": _turns(marker)} if "turns" in marker.kwargs else {}
    times = {limit: _latency(marker, name) for name, limit in _LATENCIES.items() if name in marker.kwargs}
    p50_ms, p95_ms = times.get("p50_ms"), times.get("p95_ms")
    if p50_ms is not None and p95_ms is not None and p50_ms > p95_ms:
        raise SettingsError(
            f"{_shown(marker)}: its p50 is above its p95, so that it would find nothing which p95 doesn't; swap them"
        )
    return {**times, **turns}


def _turns(marker: pytest.Mark) -> int:
    turns = marker.kwargs["turns"]
    if isinstance(turns, bool) or not isinstance(turns, int) or turns < 0:
        raise SettingsError(f"{_shown(marker)}: {turns!r} is not a number of turns; {_ACCEPTED_LATENCY}")
    return turns


def _latency(marker: pytest.Mark, name: str) -> int | None:
    value = marker.kwargs[name]
    if _is_no_amount(value):
        raise SettingsError(f"{_shown(marker)}: {value!r} is not a time; {_ACCEPTED_LATENCY}")
    try:
        return time_or_off(_as_text(value))
    except (SettingsError, OverflowError) as error:
        raise SettingsError(f"{_shown(marker)}: {error}") from None


def own_target(item: pytest.Item, run_config: RunConfig) -> TargetName:
    """Return where a test's sessions are dialled; raises SettingsError for a bad marker."""
    marker = next(nearest_first(item, TARGET_MARKER), None)
    return "emulator" if marker is not None and _named_target(marker) == "emulator" else run_config.target


def _named_target(marker: pytest.Mark) -> TargetName:
    if marker.kwargs or marker.args not in [("emulator",), ("live",)]:
        raise SettingsError(
            f'{_shown(marker)} is not understood; accepted: {TARGET_MARKER}("emulator") or {TARGET_MARKER}("live")'
        )
    named: TargetName = marker.args[0]
    return named


def own_cassette_rules(item: pytest.Item, run_config: RunConfig) -> tuple[tuple[str, ...], CassetteAudioRule]:
    """Return what replays of a test let change, the run's included, and how they compare the user's audio.

    Raises SettingsError for a bad marker.
    """
    given = [_cassette_rules(marker) for marker in nearest_first(item, CASSETTE_MARKER)]
    ignored = dict.fromkeys((*run_config.cassette_ignore, *(each for ignore, _ in given for each in ignore)))
    return tuple(ignored), next((audio for _, audio in given if audio is not None), run_config.cassette_audio)


def _cassette_rules(marker: pytest.Mark) -> tuple[tuple[str, ...], CassetteAudioRule | None]:
    ignore, audio = marker.kwargs.get("ignore", ()), marker.kwargs.get("audio")
    is_list = isinstance(ignore, (list, tuple)) and all(isinstance(each, str) for each in ignore)
    if marker.args or not marker.kwargs or not marker.kwargs.keys() <= {"ignore", "audio"} or not is_list:
        raise SettingsError(f"{_shown(marker)} is not understood; {_ACCEPTED_CASSETTE}")
    try:
        rule: Any = None if audio is None else cassette_audio(audio)
        return cassette_ignore("\n".join(ignore)), rule
    except SettingsError as error:
        raise SettingsError(f"{_shown(marker)}: {error}") from None


def _given(marker: pytest.Mark, run_config: RunConfig) -> dict[str, int | None]:
    try:
        given = BudgetOptions(*marker.args, **marker.kwargs).given()
    except TypeError:
        raise SettingsError(f"{_shown(marker)} {_why_refused(marker)}") from None
    if not given:
        raise SettingsError(f"{_shown(marker)} is empty; {_ACCEPTED}")
    return {name: _amount(marker, name, value, run_config) for name, value in given.items()}


def _why_refused(marker: pytest.Mark) -> str:
    if len(marker.args) > 1 or (marker.args and "time" in marker.kwargs):
        return f"has more than one time; {_ACCEPTED}"
    unknown = min(marker.kwargs.keys() - {f.name for f in fields(BudgetOptions)})
    return f"has an unknown argument {unknown!r}; {_ACCEPTED}"


def _amount(marker: pytest.Mark, name: str, value: object, run_config: RunConfig) -> int | None:
    parse, what = _PARSERS[name]
    if _is_no_amount(value):
        raise SettingsError(f"{_shown(marker)}: {value!r} is not {what}; {_ACCEPTED}")
    try:
        return parse(_as_text(value))
    except WrongCurrency as error:
        raise SettingsError(f"{_shown(marker)}: {_explained(error, run_config)}") from None
    except (SettingsError, OverflowError) as error:
        raise SettingsError(f"{_shown(marker)}: {error}") from None


def _is_no_amount(value: object) -> bool:
    return isinstance(value, bool) or not isinstance(value, (str, int, float))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _in_digits(value)


def _in_digits(number: float) -> str:
    """Write a number without an exponent: ``1e-05`` is how Python shows small ones."""
    text = f"{number:.12g}"
    return f"{Decimal(text):f}" if "e" in text else text


def _explained(error: WrongCurrency, run_config: RunConfig) -> SettingsError:
    from pytest_dgbudget.rules.exchange import explained
    from pytest_dgbudget.rules.prices import price_table

    return explained(error, price_table(run_config.prices, run_config.prices_as_of))


def _scenario_options(marker: pytest.Mark) -> ScenarioOptions:
    try:
        return ScenarioOptions(*marker.args, **marker.kwargs)
    except TypeError:
        accepted = f'accepted: {SCENARIO_MARKER}("FILE", name="NAME", pace="vendor" or "max")'
        raise SettingsError(f"{_shown(marker)} is not understood; {accepted}") from None


def _shown(marker: pytest.Mark) -> str:
    arguments = [*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())]
    return f"@pytest.mark.{marker.name}({', '.join(arguments)})"


def check_markers(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Skip tests that are for live runs only, and fail each that has a bad marker.

    That is in its setup, or as a collection error under --collect-only.
    """
    state = config.stash[STATE]
    bad = {item.nodeid: reason for item in items if (reason := _what_is_bad(item, state.run_config)) is not None}
    for item in items:
        if item.nodeid not in bad and _is_for_other_runs(item, state.run_config):
            target = "the emulator" if state.run_config.target == "emulator" else state.run_config.target
            item.add_marker(pytest.mark.skip(reason=_NEEDS_LIVE.format(target)))
    if not bad:
        return
    if config.getoption("collectonly", False) or config.getoption("dg_plan", False):
        for nodeid, reason in bad.items():
            report = pytest.CollectReport(nodeid=nodeid, outcome="failed", longrepr=reason, result=[])
            config.hook.pytest_collectreport(report=report)
    else:
        config.pluginmanager.register(_BadMarkers(bad), "dgbudget-bad-markers")


def _what_is_bad(item: pytest.Item, run_config: RunConfig) -> str | None:
    try:
        own_budget(item, run_config)
        own_scenario(item, run_config)
        own_pace(item, run_config)
        own_target(item, run_config)
        own_latency_limits(item)
        own_cassette_rules(item, run_config)
    except SettingsError as error:
        return f"{item.nodeid}: {error}"
    return None


def _is_for_other_runs(item: pytest.Item, run_config: RunConfig) -> bool:
    marker = next(nearest_first(item, TARGET_MARKER), None)
    return marker is not None and _named_target(marker) == "live" and not run_config.is_live


class _BadMarkers:
    """Fails these tests before anything is set up for them."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self._reasons = reasons

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if (reason := self._reasons.get(item.nodeid)) is not None:
            pytest.fail(reason, pytrace=False)
