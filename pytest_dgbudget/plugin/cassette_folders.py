"""Where the cassettes of a test are: what records it and what replays it agree here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.cassette.store import folder_of_test
from pytest_dgbudget.plugin.attempt import own_nodeid

if TYPE_CHECKING:
    import pytest

    from pytest_dgbudget.config.resolve import RunConfig


def cassette_folder(item: pytest.Item, run_config: RunConfig) -> Path:
    """Return the folder of a test's cassettes, whether there is one or not."""
    return folder_of_test(run_config.cassette_dir, item.path, own_nodeid(item))
