"""The files that are made of ``usage.json``: each a pure function of the document, so that it can be made anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from pytest_dgbudget.report.document import UsageDocument

# Name of the file: what makes its text, a function of a module in this package, which is loaded when it is wanted.
RENDERINGS: Mapping[str, str] = {
    "usage.md": "markdown.usage_markdown",
    "usage.html": "html.page.usage_page",
    "usage.css": "html.page.usage_css",
    "metrics.txt": "openmetrics.usage_metrics",
}


def rendered(name: str, document: UsageDocument) -> str:
    """Return the text of one of these files: the same for the same document, in any process."""
    return _renderer(name)(document)


def _renderer(name: str) -> Callable[[UsageDocument], str]:
    module, _, function = RENDERINGS[name].rpartition(".")
    renderer: Callable[[UsageDocument], str] = getattr(import_module(f"pytest_dgbudget.report.{module}"), function)
    return renderer
