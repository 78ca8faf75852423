"""The official SDKs, each in an interpreter that has it; sdks.txt names these and the programs."""

import subprocess
from pathlib import Path

import pytest

SDKS = [line.split() for line in Path("sdks.txt").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("python", "program"), SDKS, ids=range(len(SDKS)))
def test_sdk(python: str, program: str) -> None:
    done = subprocess.run([python, program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "Welcome\n", done.stderr
