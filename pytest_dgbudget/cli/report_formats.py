"""What ``dgbudget report`` shows, in which formats, and by whom it is rendered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, NamedTuple

from pytest_dgbudget.errors import SettingsError

What = Literal["run", "archived", "comparison", "period"]

# Who renders what as what: each takes the document, and is loaded on use. All are shown as table and json as well.
FORMATS: Mapping[What, Mapping[str, tuple[str, str]]] = {
    "run": {
        "csv": ("pytest_dgbudget.report.run_csv", "run_csv"),
        "md": ("pytest_dgbudget.report.markdown", "usage_markdown"),
        "html": ("pytest_dgbudget.report.html.page", "usage_page"),
        "openmetrics": ("pytest_dgbudget.report.openmetrics", "usage_metrics"),
    },
    "archived": {},
    "comparison": {
        "csv": ("pytest_dgbudget.report.comparison_text", "comparison_csv"),
        "md": ("pytest_dgbudget.report.comparison_text", "comparison_markdown"),
    },
    "period": {
        "csv": ("pytest_dgbudget.report.period_text", "period_csv"),
        "md": ("pytest_dgbudget.report.period_text", "period_markdown"),
    },
}
# Each takes the document, the width and whether there is color, and yields lines.
_TABLES: Mapping[What, tuple[str, str]] = {
    "run": ("pytest_dgbudget.report.run_text", "run_text"),
    "archived": ("pytest_dgbudget.report.archived_document", "archived_text"),
    "comparison": ("pytest_dgbudget.report.comparison_text", "comparison_text"),
    "period": ("pytest_dgbudget.report.period_text", "period_text"),
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


def _loaded(renderer: tuple[str, str]) -> Any:
    module, function = renderer
    return getattr(import_module(module), function)
