"""What is configured in a project whose parts are looked at."""

from __future__ import annotations

from pathlib import Path

from pytest_dgbudget.config.resolve import RunConfig, resolve

KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"


def configured(folder: Path, key: str = KEY, **given: str) -> RunConfig:
    """Return what is configured in a project where a key is set."""
    environment = {"DEEPGRAM_API_KEY": key} if key else {}
    return resolve(command_line=given, environment=environment, ini={}, rootdir=folder, current_dir=folder)
