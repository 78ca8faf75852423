"""A test that starts a pytest."""

import subprocess
import sys

from pytest_dgbudget import VoiceAgent


def test_outer(voice_agent: VoiceAgent) -> None:
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], cwd="inner", capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
