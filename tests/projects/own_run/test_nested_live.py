import subprocess
import sys


def test_outer() -> None:
    command = [sys.executable, "-m", "pytest", "--dg-target=live", "--dg-budget=5s", "test_inner.py"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "target live needs a key" in said
    assert "DEEPGRAM_API_KEY has a token of the run that this pytest is part of" in said
