"""Write which modules of the plugin a pytest has loaded at its end, and by what."""

import json
import sys
from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    ours = {
        name: type(module.__loader__).__name__ for name, module in sys.modules.items() if name.startswith("pytest_dgb")
    }
    Path("loaded.json").write_text(json.dumps(ours), encoding="utf-8")
