"""``[[path]]`` of dgbudget.toml that apply to no test: a glob with a slip in it bounds nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_dgbudget.plugin.markers import path_of_item
from pytest_dgbudget.plugin.state import STATE

_SELECTING = ("keyword", "markexpr", "lf", "ignore", "ignore_glob")


def unmatched_lines(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Return a line for each, where all tests were collected; else it may be that of one that was left out."""
    if not _are_all(config):
        return []
    run_config = config.stash[STATE].run_config
    one_of_each_file = {item.path: item for item in items}.values()
    applied = {path_of_item(item, run_config) for item in one_of_each_file}
    return [
        f'dgbudget: glob = "{path.glob}" of [[path]] in dgbudget.toml applies to no collected test, so it bounds '
        "nothing: correct it, from the rootdir on, or remove it"
        for path in run_config.paths
        if path not in applied
    ]


def _are_all(config: pytest.Config) -> bool:
    """Return whether no test was left out."""
    named = config.args_source == config.ArgsSource.ARGS
    selected = any(config.getoption(option, None) for option in _SELECTING)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    deselected = reporter is not None and "deselected" in reporter.stats
    return not (named or selected or deselected)
