"""What commands are given: pytest's options without ``dg-``, the same variables, the same configuration."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dgbudget.config import ACTIVE_VARIABLE, API_KEY_VARIABLE, MAKE_IT_OURS, OPTIONS, VARIABLES, Option
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.units import WrongCurrency

if TYPE_CHECKING:
    from pytest_dgbudget.cli.configuration import Configuration
    from pytest_dgbudget.config.resolve import RunConfig

# There are no tests: the command is all that spends.
_OF_TESTS = {"dg_test_budget", "dg_record", "dg_cassette_dir"}
# What is kept is kept of tests that fail, or that pass; None is not set.
_INSTEAD = {"dg_artifacts": "off", "dg_record": "none", "--dg-record": None}


def flag_of(option: Option) -> str:
    """Return how an option of pytest's is spelled here."""
    return "--" + option.flag.removeprefix("--dg-")


def respelled(text: str) -> str:
    """Return a message with options as they are spelled here; those in ``addopts`` are pytest's."""
    return re.sub(r"--dg-(?![a-z-]+ in addopts)", "--", text)


def options_of_commands() -> list[Option]:
    return [option for option in OPTIONS if not option.in_ini_only]


def add_options(parser: argparse.ArgumentParser, names: Collection[str] | None = None) -> None:
    """Add these options, or every one that means something to a command; pytest's own spelling is understood, too."""
    for option in options_of_commands():
        if option.name in _OF_TESTS if names is None else option.name not in names:
            continue
        environment = "" if option.environment is None else f" Environment: {option.environment}."
        default = "" if option.default is None else f" Default: {option.default}."
        text = respelled(option.help + environment + default).replace("%", "%%")
        bare: dict[str, Any] = option.argparse_values
        parser.add_argument(flag_of(option), dest=option.name, metavar=option.metavar, help=text, **bare)
        parser.add_argument(option.flag, dest=option.name, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **bare)


def belongs_to_outer_run(given: argparse.Namespace) -> bool:
    """Return whether this command was started inside a run, and was given nothing to have one of its own."""
    return ACTIVE_VARIABLE in os.environ and all(getattr(given, name) is None for name in MAKE_IT_OURS)


def resolve_options(given: argparse.Namespace) -> RunConfig:
    """Return the configuration of a run; raises SettingsError, also where a live run has no budget or no key."""
    from pytest_dgbudget.config.resolve import refuse_unbounded

    run_config = resolve_project(given)
    refuse_unbounded(run_config)
    return run_config


def resolve_project(given: argparse.Namespace) -> RunConfig:
    """Return the configuration of a command that opens no session; raises SettingsError.

    Options that the command doesn't have are as the environment and the project have them.
    """
    from pytest_dgbudget.cli.configuration import find_configuration

    configuration = find_configuration()
    try:
        return _resolved(given, configuration)
    except WrongCurrency as error:
        from pytest_dgbudget.config.project_file import read_project_file
        from pytest_dgbudget.rules.exchange import explained
        from pytest_dgbudget.rules.prices import price_table

        prices = read_project_file(configuration.rootdir)["prices"]
        raise explained(error, price_table(prices, None)) from None


def _resolved(given: argparse.Namespace, configuration: Configuration) -> RunConfig:
    from pytest_dgbudget.config.resolve import resolve

    is_nested = ACTIVE_VARIABLE in os.environ
    return resolve(
        command_line={option.name: getattr(given, option.name, None) for option in options_of_commands()},
        environment=_environment(configuration, is_nested=is_nested),
        ini={**(_without_outer_runs(configuration.ini) if is_nested else configuration.ini), **_INSTEAD},
        rootdir=configuration.rootdir,
        current_dir=Path.cwd(),
    )


def resolve_for_statement(given: argparse.Namespace) -> RunConfig:
    """The same for runs that have ended, of which the target of the next one, and what it would need, says nothing."""
    return resolve_project(argparse.Namespace(**vars(given), dg_target="emulator"))


def _environment(configuration: Configuration, *, is_nested: bool) -> Mapping[str, str]:
    names = [*VARIABLES, *_key_variables(configuration)]
    outer = {o.environment for o in OPTIONS if o.name in MAKE_IT_OURS} if is_nested else set()
    return {name: os.environ[name] for name in names if name in os.environ and name not in outer}


def _without_outer_runs(ini: Mapping[str, object]) -> dict[str, object]:
    """Return what is stored without what makes a run: inside a run, it was stored for the outer one."""
    of_runs = {name for option in OPTIONS if option.name in MAKE_IT_OURS for name in (option.name, option.flag)}
    return {name: value for name, value in ini.items() if name not in of_runs}


def _key_variables(configuration: Configuration) -> tuple[str, ...]:
    from pytest_dgbudget.config.parsing import key_variables

    names = configuration.ini["dg_key_variables"]
    try:
        return (API_KEY_VARIABLE,) if names is None else key_variables(str(names))
    except SettingsError as error:
        raise SettingsError(f"ini dg_key_variables: {error}") from None
