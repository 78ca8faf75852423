"""``dgbudget.toml`` at the rootdir: what a flat option can't hold.

Every run that is resolved looks for it, so nothing that only reading it needs is loaded before it is found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_dgbudget.errors import SettingsError

PROJECT_FILE = "dgbudget.toml"

_WITHOUT_FILE: dict[str, Any] = {
    "prices": {},
    "prices_as_of": None,
    "windows": (),
    "require_history": False,
    "paths": (),
    "project_sessions": None,
}

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


def read_project_file(rootdir: Path) -> dict[str, Any]:
    """Return fields of RunConfig, defaults where there is no such file.

    Raises SettingsError, with file and line, for anything that is not understood.
    """
    text = _text_of(rootdir / PROJECT_FILE)
    return _WITHOUT_FILE if text is None else fields_of(text)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else None
    except OSError as error:
        raise SettingsError(f"{PROJECT_FILE} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{PROJECT_FILE} is not UTF-8: {error.reason} at byte {error.start}") from None


def fields_of(text: str) -> dict[str, Any]:
    """Return the same for the text of such a file."""
    from pytest_dgbudget.config.path_settings import read_paths
    from pytest_dgbudget.config.price_settings import read_prices
    from pytest_dgbudget.config.toml_text import TomlText
    from pytest_dgbudget.config.window_settings import read_sessions, read_windows

    toml = TomlText(PROJECT_FILE, text)
    toml.refuse_other_tables({"window": "[window]", "project": "[project]", "path": "[[path]]", "prices": "[prices]"})
    return {**read_windows(toml), **read_sessions(toml), **read_paths(toml), **read_prices(toml)}
