"""Write what a run resolved, by option, without opening anything."""

import json
from pathlib import Path

import pytest

from pytest_dgbudget.plugin.state import STATE


def pytest_collection_finish(session: pytest.Session) -> None:
    run_config = session.config.stash[STATE].run_config
    resolved = {**run_config.to_json(), "has": run_config.api_key is not None}
    Path("resolved.json").write_text(json.dumps(resolved), encoding="utf-8")
