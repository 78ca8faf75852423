"""Starts a program that opens no session."""

from __future__ import annotations

import json
import os
import subprocess


def test_starts() -> None:
    command = json.loads(os.environ["COMMAND"])
    if command:
        subprocess.run(command, check=True)
