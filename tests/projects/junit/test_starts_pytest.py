"""A test that runs other tests in a pytest of its own."""

import subprocess
import sys

from pytest_dgbudget import VoiceAgent

INNER = [sys.executable, "-m", "pytest", "--dg-budget=1m", "test_is_cut.py", "-k", "passes"]


def test_starts_pytest(voice_agent: VoiceAgent) -> None:
    subprocess.run(INNER, check=True, timeout=60)
