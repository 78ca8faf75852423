"""Starts another pytest, whose code dials as this one's does."""

import subprocess
import sys
from pathlib import Path


def test_outer() -> None:
    inner = Path("inner")
    inner.mkdir()
    (inner / "pytest.ini").write_text("[pytest]\ndg_budget = 5m\n", encoding="utf-8")
    (inner / "application.py").write_bytes(Path("application.py").read_bytes())
    (inner / "test_inner.py").write_text(
        "import application\ndef test_inner():\n    application.visit().close()\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(command, cwd=inner, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
