"""Where a key may be that nobody has named: other variables, and the ``.env`` file of a project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pytest_dgbudget.credentials import is_deepgrams_key

_NAMED_SO = re.compile(r"DEEPGRAM|DG_", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"""\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*["']?([^"'\s#]*)["']?""", re.ASCII)


def key_hint(environ: Mapping[str, str], rootdir: Path) -> str | None:
    """Say which variable holds what looks like a key, never what it holds; None where there is none."""
    in_environment = _names_in(environ)
    in_file = _names_in(_assignments(rootdir / ".env"))
    if in_environment:
        return f"{_listed(in_environment)} may be the key: name it in ini dg_key_variables"
    if in_file:
        return (
            f"{_listed(in_file)} in .env may be the key: load that file before pytest, or in a conftest, and name the "
            "variable in ini dg_key_variables"
        )
    return None


def _names_in(variables: Mapping[str, str]) -> list[str]:
    """Return which hold one. The environment may be another package's, and name what it does not have."""
    named = filter(_NAMED_SO.search, variables)
    return sorted(name for name in named if is_deepgrams_key(variables.get(name, "").strip()))


def _assignments(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {match[1]: match[2] for match in map(_ASSIGNMENT.match, lines) if match is not None}


def _listed(names: list[str]) -> str:
    return " or ".join(names)
