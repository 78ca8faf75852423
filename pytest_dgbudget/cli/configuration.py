"""The pytest configuration found from the current directory; where the command line needs pytest, it is here.

pytest finds it by itself, and loads this module as its only plugin to learn our ini keys. No other plugin and no
conftest is imported.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config import OPTIONS
from pytest_dgbudget.control.environment import VariablesHeld
from pytest_dgbudget.errors import SettingsError

# From 9.2 on, a key may hold TOML's own numbers and booleans; before that, pytest turns them into strings.
_INI_TYPE: Any = str | int | float | bool if pytest.version_tuple >= (9, 2) else "string"

_NOTHING_ELSE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": None, "PYTEST_ADDOPTS": None}
# What its plugins and paths would be is the business of the pytests that run there.
_ARGUMENTS = ("-p", __name__, "--assert=plain", "-o", "required_plugins=", "-o", "pythonpath=")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is stored in the project: ``ini`` is by key, and by flag for what is in ``addopts``."""

    rootdir: Path
    ini: dict[str, Any]


class _Found(Exception):
    """Raised by our hook in the middle of pytest's start, which has found its configuration by then."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        self.configuration = configuration


def find_configuration() -> Configuration:
    """Return what a pytest in the current directory would find; raises SettingsError where it can't be read."""
    held = VariablesHeld()
    held.set(_NOTHING_ELSE)
    try:
        pytest.Config.fromdictargs({}, [*_ARGUMENTS])
    except _Found as found:
        return found.configuration
    except (pytest.UsageError, TypeError, OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the pytest configuration can't be read: {error}") from None
    finally:
        held.put_back()
    raise AssertionError("pytest has started without us")


def pytest_addoption(parser: pytest.Parser) -> None:
    for option in OPTIONS:
        parser.addini(option.name, option.help, type=_INI_TYPE, default=None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    ini = {option.name: early_config.getini(option.name) for option in OPTIONS}
    raise _Found(Configuration(early_config.rootpath, {**ini, **_in_addopts(early_config.getini("addopts"))}))
    yield


def _in_addopts(arguments: Sequence[str]) -> dict[str, str]:
    """Return our options among those that pytest adds to every command line, by their flags."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for option in OPTIONS:
        if not option.in_ini_only:
            parser.add_argument(option.flag, dest=option.flag, **option.argparse_values)
    try:
        given, _ = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise pytest.UsageError(f"addopts: {error}") from None
    return {flag: value for flag, value in vars(given).items() if value is not None}
