"""The Settings message of a session: the default agent, a file, or a dict."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from json import loads
from pathlib import Path
from typing import Any

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.paths import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SettingsSource = Mapping[str, Any] | str | os.PathLike[str] | None

DEFAULT_SETTINGS: dict[str, Any] = {
    "type": "Settings",
    "audio": {
        "input": {"encoding": "linear16", "sample_rate": 24000},
        "output": {"encoding": "linear16", "sample_rate": 24000, "container": "none"},
    },
    "agent": {
        "listen": {"provider": {"type": "deepgram", "model": "nova-3"}},
        "think": {
            "provider": {"type": "open_ai", "model": "gpt-4o-mini"},
            "prompt": "You are a helpful voice agent. Answer in one short sentence.",
        },
        "speak": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
        "greeting": "Hello! How can I help you today?",
    },
}


def load_settings(source: SettingsSource, default: Path | None, tags: Sequence[str]) -> dict[str, Any]:
    """Return the Settings message to send; ``tags`` are added to its own. Raises SettingsError."""
    if source is None:
        settings = (
            copy.deepcopy(DEFAULT_SETTINGS) if default is None else _read(default, "dg_agent_settings", read_text)
        )
    elif isinstance(source, Mapping):
        settings = copy.deepcopy(dict(source))
    else:
        settings = _read(Path(source), "settings", _read_in_the_tests_world)
    settings.setdefault("type", "Settings")
    if tags:
        if isinstance(tags, str):
            raise SettingsError(f"tags={tags!r} is a string; give a list of strings")
        own = settings.get("tags") or []
        if not isinstance(own, list):
            raise SettingsError(f"the tags in the settings are {own!r}, not a list")
        settings["tags"] = [*own, *tags]
    return settings


def _read_in_the_tests_world(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _read(path: Path, what: str, read: Callable[[Path], str]) -> dict[str, Any]:
    try:
        text = read(path)
        settings = tomllib.loads(text) if path.suffix == ".toml" else loads(text)
    except OSError as error:
        raise SettingsError(f"{what}: {path} can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{what}: {path} is not valid JSON or TOML: {error}") from error
    if not isinstance(settings, dict):
        raise SettingsError(f"{what}: {path} does not hold a JSON object")
    return settings
