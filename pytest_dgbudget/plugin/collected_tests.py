"""Which folder each collected test has for its cassettes: a plugin of the pytest that ``dgbudget cassettes`` starts.

It is loaded there by ``-p``, and nowhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from pytest_dgbudget.config import COLLECTED_VARIABLE
from pytest_dgbudget.paths import open_file
from pytest_dgbudget.plugin.cassette_folders import cassette_folder
from pytest_dgbudget.plugin.state import STATE


class _CollectedTests:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._folders: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: Sequence[pytest.Item]
    ) -> Generator[None, None, None]:
        """Note all tests, before any is deselected."""
        run_config = config.stash[STATE].run_config
        self._folders = {item.nodeid: str(cassette_folder(item, run_config)) for item in items}
        yield

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write them down, unless some could not be collected."""
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            with open_file(self._file, "w", encoding="utf-8") as file:
                file.write(json.dumps(self._folders))


def pytest_configure(config: pytest.Config) -> None:
    """Collect what was named beside what pytest collects by itself."""
    told = json.loads(os.environ.pop(COLLECTED_VARIABLE))
    config.args.extend(told["also"])
    config.pluginmanager.register(_CollectedTests(Path(told["file"])), "dgbudget-collected-tests")
