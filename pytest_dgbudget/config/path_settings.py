"""``[[path]]`` of dgbudget.toml: budgets of the tests in some files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_dgbudget.config.amounts import read_amounts
from pytest_dgbudget.config.toml_text import Place, TomlText, as_written
from pytest_dgbudget.model import PathBudget

_PATH = "path"
_GLOB, _TEST, _RUN = "glob", "test", "run"
_KEYS = (_GLOB, _TEST, _RUN)
_FOLDERS = "**"
_ACCEPTED = 'accepted: a pattern from the rootdir on, with / between folders, such as "tests/smoke/**"'


def read_paths(toml: TomlText) -> dict[str, Any]:
    """Return ``paths``, in their order; raises SettingsError."""
    paths: list[PathBudget] = []
    for number, table in enumerate(toml.tables(_PATH)):
        path = _path(toml, (_PATH, number), table)
        if path.glob in {earlier.glob for earlier in paths}:
            raise toml.error((_PATH, number, _GLOB), f'{_GLOB} = "{path.glob}" is there before: only the first applies')
        paths.append(path)
    return {"paths": tuple(paths)}


def _path(toml: TomlText, place: Place, table: Mapping[str, Any]) -> PathBudget:
    toml.refuse_other_keys(place, table, _KEYS)
    if not {_TEST, _RUN} & table.keys():
        raise toml.error(place, f"[[{_PATH}]] has neither {_TEST} nor {_RUN}: it sets no budget")
    is_off = table.get(_TEST) == "off"
    test = {} if is_off or _TEST not in table else read_amounts(toml, (*place, _TEST), table[_TEST])
    run = {} if _RUN not in table else read_amounts(toml, (*place, _RUN), table[_RUN])
    return PathBudget(
        glob=_glob(toml, place, table),
        test_ms=test.get("time"),
        test_is_off=is_off,
        test_micro_usd=test.get("money"),
        run_ms=run.get("time"),
        run_micro_usd=run.get("money"),
    )


def _glob(toml: TomlText, place: Place, table: Mapping[str, Any]) -> str:
    if _GLOB not in table:
        raise toml.error(place, f"[[{_PATH}]] has no {_GLOB}; {_ACCEPTED}")
    glob = table[_GLOB]
    parts = glob.split("/") if isinstance(glob, str) else [""]
    if not {"", ".", ".."}.isdisjoint(parts) or any("\\" in part for part in parts):
        raise toml.error((*place, _GLOB), f"{_GLOB} = {as_written(glob)} is not a relative pattern; {_ACCEPTED}")
    if any(_FOLDERS in part and part != _FOLDERS for part in parts):
        raise toml.error(
            (*place, _GLOB), f'{_GLOB} = {glob!r}: {_FOLDERS} stands for whole folders, as in "tests/**/test_*.py"'
        )
    return "/".join(parts)
