"""What users can set: the markers' names, and the table of options, registered with pytest and read back from it."""

from __future__ import annotations

import os
import shlex
from argparse import Action, Namespace
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dgbudget.config import (
    ACTIVE_VARIABLE,
    API_KEY_VARIABLE,
    MAKE_IT_OURS,
    NEVER_INHERITED,
    OPTIONS,
    PLAN_FLAG,
    VARIABLES,
)

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig

FIXTURES = {"voice_agent", "voice_agent_endpoint"}
MARKER = "dg_budget"
SCENARIO_MARKER = "dg_scenario"
TARGET_MARKER = "dg_target"
LATENCY_MARKER = "dg_latency"
CASSETTE_MARKER = "dg_cassette"

MARKERS = (MARKER, SCENARIO_MARKER, TARGET_MARKER, LATENCY_MARKER, CASSETTE_MARKER)

MARKER_HELP = (
    f"{MARKER}(time, cost=USD, idle=TIME): connection time that the test's voice_agent sessions may use, such as "
    '"30s", or "off"; cost is the same in US dollars, such as 0.05; idle closes a session in which nothing but '
    "keep-alives has moved for this long. The nearest marker wins.",
    f"{SCENARIO_MARKER}(file, name=NAME, pace=PACE): what the emulator's agent does in this test: a scenario from this "
    "TOML file, the first one by default; without a file, one from the file of --dg-scenario; and how it spends time, "
    "vendor or max. The nearest marker wins.",
    f'{TARGET_MARKER}(target): "emulator": this test speaks to the emulator in live runs, too; "live": it is skipped '
    "unless the run is live. The nearest marker wins.",
    f"{LATENCY_MARKER}(p50=TIME, p95=TIME, turns=N): how long the silence before the agent's answers may be in this "
    "test, as percentiles over its turns, and how many turns it must have at least, 1 by default. The nearest marker "
    "wins.",
    f"{CASSETTE_MARKER}(ignore=[TYPE/POINTER, ...], audio=HOW): what replays of this test let change in the client's "
    "messages, such as Settings/agent/think/prompt, besides what dg_cassette_ignore names; and how they compare the "
    "user's audio: exact, length or any, by the nearest marker.",
)

# From 9.2 on, a key may hold TOML's own numbers and booleans; before that, pytest turns them into strings.
# A float may be an int there.
_INI_TYPE: Any = str | float | bool if pytest.version_tuple >= (9, 2) else "string"

_CHANGES_NOTHING = ("help", "version", "markers")
_OPENS_NOTHING = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test")

_PLAN_HELP = (
    "Collect, print what the run is likely to spend against its budget, by what its tests have spent before, and open "
    "nothing. Exit status 1 when it can't fit."
)


class _CollectToPlan(Action):
    """A plan collects only, and that is what other plugins are to see."""

    def __call__(self, parser: Any, namespace: Namespace, values: Any, option_string: str | None = None) -> None:
        namespace.dg_plan = namespace.collectonly = True


def register_options(parser: pytest.Parser) -> None:
    """Add every option of the table and its ini key; the help also names the environment variable and the default."""
    group = parser.getgroup("dgbudget", "budgets for Deepgram Voice Agent sessions")
    for option in OPTIONS:
        help_text = option.help
        if option.environment is not None:
            help_text += f" Environment: {option.environment}."
        if option.default is not None:
            help_text += f" Default: {option.default}."
        if not option.in_ini_only:
            # argparse substitutes after a percent sign.
            escaped = help_text.replace("%", "%%")
            group.addoption(
                option.flag,
                dest=option.name,
                metavar=option.metavar,
                default=None,
                help=escaped,
                **option.argparse_values,
            )
        parser.addini(option.name, help_text, type=_INI_TYPE, default=None)
    group.addoption(PLAN_FLAG, action=_CollectToPlan, dest="dg_plan", nargs=0, default=False, help=_PLAN_HELP)


class Given:
    """What this pytest was given, by option name; resolved when it is needed.

    ``options`` are those of the command line. In a pytest that something in a run has started, a budget or a target
    counts only where it stands among that pytest's own arguments: everything else came from the outer one.
    """

    def __init__(self, config: pytest.Config, options: Namespace) -> None:
        """Raises pytest.UsageError for an ini value of the wrong type."""
        given = {o: value for o in OPTIONS if not o.in_ini_only and (value := getattr(options, o.name)) is not None}
        typed = _typed_flags(config) if given else ()
        self._command_line = {option.name: value for option, value in given.items() if option.flag in typed}
        self._environment = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        self._rootdir = config.rootpath
        self._current_dir = Path.cwd()
        try:
            self._ini = {option.name: config.getini(option.name) for option in OPTIONS}
        except TypeError as error:
            raise pytest.UsageError(f"pytest-dgbudget: {error}") from None
        # What nobody gave for this run is stored, as a rule in addopts.
        self._ini |= {option.flag: value for option, value in given.items() if option.flag not in typed}
        if ACTIVE_VARIABLE in os.environ:
            self._drop_what_is_the_outer_runs(_flags_in(map(str, config.invocation_params.args)))
        self.key_variables = self._key_variables()
        self._keys = {name: os.environ[name] for name in self.key_variables if name in os.environ}

    def _drop_what_is_the_outer_runs(self, own_flags: Collection[str]) -> None:
        for option in OPTIONS:
            if option.name in NEVER_INHERITED and option.flag not in own_flags:
                self._command_line.pop(option.name, None)
                self._environment.pop(option.environment or "", None)
                self._ini.pop(option.name, None)
                self._ini.pop(option.flag, None)

    @property
    def is_ours(self) -> bool:
        """True when a run budget or a target was given anywhere."""
        return any(
            self._command_line.get(option.name) is not None
            or option.environment in self._environment
            or self._ini.get(option.name) is not None
            or self._ini.get(option.flag) is not None
            for option in OPTIONS
            if option.name in MAKE_IT_OURS
        )

    def _key_variables(self) -> Sequence[str]:
        """Return the names of the variables that may hold the key; raises pytest.UsageError."""
        given = self._ini["dg_key_variables"]
        if given is None:
            return (API_KEY_VARIABLE,)
        from pytest_dgbudget.config.parsing import key_variables
        from pytest_dgbudget.errors import SettingsError

        try:
            return key_variables(given)
        except SettingsError as error:
            raise pytest.UsageError(f"pytest-dgbudget: ini dg_key_variables: {error}") from None

    @property
    def anything(self) -> bool:
        """True when any option was set anywhere; the API key in the environment doesn't count."""
        values = [*self._command_line.values(), *self._ini.values()]
        return any(value is not None for value in values) or any(o.environment in self._environment for o in OPTIONS)

    def resolve(self) -> RunConfig:
        """Return the configuration of the run; raises pytest.UsageError."""
        return self.resolve_with(self._keys)

    def resolve_with(self, keys: Mapping[str, str]) -> RunConfig:
        """Return the configuration of the run with what these variables hold; called again, it is of the same run."""
        from pytest_dgbudget.errors import SettingsError

        try:
            run_config = self._resolved(keys)
        except SettingsError as error:
            raise pytest.UsageError(f"pytest-dgbudget: {error}") from None
        self._command_line["dg_run_id"] = run_config.run_id
        return run_config

    def _resolved(self, keys: Mapping[str, str]) -> RunConfig:
        from pytest_dgbudget.config.resolve import resolve
        from pytest_dgbudget.units import WrongCurrency

        try:
            return resolve(
                command_line=self._command_line,
                environment={**self._environment, **keys},
                ini=self._ini,
                rootdir=self._rootdir,
                current_dir=self._current_dir,
            )
        except WrongCurrency as error:
            from pytest_dgbudget.config.project_file import read_project_file
            from pytest_dgbudget.rules.exchange import explained
            from pytest_dgbudget.rules.prices import price_table

            prices = read_project_file(self._rootdir)["prices"]
            raise explained(error, price_table(prices, None)) from None


def _typed_flags(config: pytest.Config) -> Collection[str]:
    """Return the flags on the command line and in PYTEST_ADDOPTS: pytest mixes these with addopts of the ini file."""
    arguments = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]
    return _flags_in(arguments)


def _flags_in(arguments: Iterable[str]) -> Collection[str]:
    return {argument.partition("=")[0] for argument in arguments}


def changes_nothing(options: Namespace) -> bool:
    """Return whether this pytest only shows what it knows by itself."""
    return any(getattr(options, name, None) for name in _CHANGES_NOTHING)


def opens_nothing(options: Namespace) -> bool:
    """Return whether this pytest only shows something and runs no test."""
    return changes_nothing(options) or any(getattr(options, name, None) for name in _OPENS_NOTHING)
