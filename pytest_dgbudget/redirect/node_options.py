"""``NODE_OPTIONS`` with our preload, which redirects the Node programs that a run starts."""

from __future__ import annotations

from pathlib import Path

PRELOAD = Path(__file__).with_name("node") / "preload.cjs"


def with_preload(options: str | None, preload: Path = PRELOAD) -> str:
    """Return the value of ``NODE_OPTIONS`` that loads the preload before what the user's own loads."""
    required = f"--require {_quoted(str(preload))}"
    given = (options or "").strip()
    if required in given:
        return given
    return f"{required} {given}".strip()


def _quoted(path: str) -> str:
    """Node reads double quotes alone, and a backslash within them as an escape."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
