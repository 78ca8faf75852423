"""Sets variables as projects do, and records which there were before and after: as JSON in set.json, seen.json."""

import json
import os
from pathlib import Path

before = dict(os.environ)
for name, value in json.loads(Path("set.json").read_text(encoding="utf-8")).items():
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def pytest_collection_finish() -> None:
    Path("seen.json").write_text(json.dumps({"before": before, "after": dict(os.environ)}), encoding="utf-8")
