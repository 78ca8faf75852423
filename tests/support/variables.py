"""Environment variables of processes under test: none with which a vendor could be reached."""

from __future__ import annotations

import os
from collections.abc import Mapping

NO_VENDOR = {"DG_AGENT_URL": "ws://127.0.0.1:1/v1/agent/converse", "DG_API_URL": "http://127.0.0.1:1"}
_PREFIXES = (
    "DEEPGRAM_",
    "DG_",
    "DGBUDGET_",
    "PYTEST_XDIST_",
    "PG",
    "GITHUB_",
)  # GitHub's: a job's own summary is no test's
# Buffering is one of them: what a user's pipe shows late, a test must not see at once.
_NAMES = {"PYTEST_ADDOPTS", "PYTHONWARNINGS", "PYTHONUNBUFFERED"}


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return our variables, without those that could reach a vendor or configure a pytest, and with ``changes``."""
    kept = {name: value for name, value in os.environ.items() if not is_scrubbed(name)}
    return {**kept, **NO_VENDOR, **changes}


def is_scrubbed(name: str) -> bool:
    return name.startswith(_PREFIXES) or name in _NAMES or name.lower().endswith("_proxy")
