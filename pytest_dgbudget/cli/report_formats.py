"""What ``dgbudget report`` shows, in which formats, and by whom it is rendered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple

from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.report.rendering import RENDERINGS

What = Literal["run", "archived", "comparison", "period"]

# What makes the text of each, a function of the document in ``report``, which is loaded on use. All are shown as table
# and json as well.
FORMATS: Mapping[What, Mapping[str, str]] = {
    "run": {
        "csv": "run_csv.run_csv",
        "md": RENDERINGS["usage.md"],
        "html": RENDERINGS["usage.html"],
        "openmetrics": RENDERINGS["metrics.txt"],
    },
    "archived": {},
    "comparison": {"csv": "comparison_text.comparison_csv", "md": "comparison_text.comparison_markdown"},
    "period": {"csv": "period_text.period_csv", "md": "period_text.period_markdown"},
}
# Each takes the document, the width and whether there is color, and yields lines.
_TABLES: Mapping[What, str] = {
    "run": "run_text.run_text",
    "archived": "archived_document.archived_text",
    "comparison": "comparison_text.comparison_text",
    "period": "period_text.period_text",
}
_TABLE, _JSON = "table", "json"
ALL_FORMATS = (_TABLE, _JSON, *FORMATS["run"])
_CALLED: Mapping[What, str] = {
    "run": "a run",
    "archived": "a run that was archived",
    "comparison": "two runs",
    "period": "a period",
}


class Screen(NamedTuple):
    """What tables are laid out for."""

    width: int
    color: bool


def require_format(what: What, format_: str) -> None:
    """Raise SettingsError where this can't be shown so."""
    formats = (_TABLE, _JSON, *FORMATS[what])
    if format_ not in formats:
        raise SettingsError(f"--format={format_}: {_CALLED[what]} can be shown as {', '.join(formats)}")


def rendered(what: What, document: Mapping[str, Any], format_: str, screen: Screen) -> str:
    """Return a document in one of its formats, with a line's end at its end."""
    if format_ == _JSON:
        return json.dumps(document, indent=1) + "\n"
    if format_ == _TABLE:
        lines: Iterator[str] = _loaded(_TABLES[what])(document, width=screen.width, color=screen.color)
        return "".join(f"{line}\n" for line in lines)
    text: str = _loaded(FORMATS[what][format_])(document)
    return text


def _loaded(renderer: str) -> Any:
    module, _, function = renderer.rpartition(".")
    return getattr(import_module(f"pytest_dgbudget.report.{module}"), function)
