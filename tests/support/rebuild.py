"""Make the files of a report anew: ``python -m tests.support.rebuild USAGE.json FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pytest_dgbudget.report.rendering import RENDERINGS, rendered


def main(usage: Path, folder: Path) -> None:
    document = json.loads(usage.read_bytes())
    for name in RENDERINGS:
        (folder / name).write_bytes(rendered(name, document).encode())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
