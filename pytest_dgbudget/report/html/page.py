"""The whole page: its head with the policy, and its sections in order."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html.elements import Markup, element
from pytest_dgbudget.report.html.verdict import title_of, verdict_header
from pytest_dgbudget.report.run_line import unused_line

USAGE_CSS = Path(__file__).with_name("usage.css").read_text(encoding="utf-8")
_USAGE_JS = Path(__file__).with_name("usage.js").read_text(encoding="utf-8")


class _Section(NamedTuple):
    """A section: its id, what it is called in the navigation, and the function of a module here that makes it.

    That returns None where the report has no such section. It is loaded when it is wanted: most runs of most projects
    open no session, and pytest waits for their page.
    """

    name: str
    title: str
    maker: str

    def made_of(self, document: UsageDocument) -> Markup | None:
        module, _, function = self.maker.partition(".")
        maker: Callable[[UsageDocument], Markup | None] = getattr(import_module(f"{__package__}.{module}"), function)
        return maker(document)


_ATTENTION = _Section("attention", "Attention", "attention.attention_section")
_NEXT_STEPS = _Section("next", "Next steps", "next_steps.next_steps_section")
_SECTIONS = (
    _ATTENTION,
    _Section("runs", "Runs", "runs.runs_section"),
    _Section("timeline", "Timeline", "timeline.timeline_section"),
    _Section("tests", "Tests", "tests.tests_section"),
    _Section("tiers", "Tiers", "tiers.tiers_section"),
    _Section("reconciliation", "Reconciliation", "reconciliation.reconciliation_section"),
    _Section("regression", "Regression", "regression.regression_section"),
    _Section("trend", "Trend", "trend.trend_section"),
    _Section("sessions", "Sessions", "sessions.sessions_section"),
    _NEXT_STEPS,
)


def usage_page(document: UsageDocument) -> str:
    """Return the page of a run, or of several in one report. It loads nothing but ``usage.css`` from beside itself."""
    page = element("html", _head(document), _body(document), lang="en")
    return f"<!doctype html>\n{page.html}\n"


def usage_css(_document: UsageDocument) -> str:
    """Return what stands beside the page: its rules, whatever the run, for servers that block those in the page."""
    return USAGE_CSS


def _head(document: UsageDocument) -> Markup:
    _, title = title_of(document)
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{title}: run {document['run']['id']}"),
        element("style", Markup(USAGE_CSS)),
        element("link", rel="stylesheet", href="usage.css"),
        element("link", rel="icon", href="data:,"),
    )


def _policy() -> str:
    """Return what the page may do: show its own style, and run its own script."""
    style, script = _hash(USAGE_CSS), _hash(_USAGE_JS)
    return (
        f"default-src 'none'; style-src '{style}' 'self'; script-src '{script}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _body(document: UsageDocument) -> Markup:
    is_unused = unused_line(document) is not None and "shards" not in document
    wanted = (_ATTENTION, _NEXT_STEPS) if is_unused else _SECTIONS
    made = [(section, section.made_of(document)) for section in wanted]
    sections = [(section, markup) for section, markup in made if markup is not None]
    return element(
        "body",
        element("a", "Skip to what needs attention", href="#attention", class_="skip"),
        verdict_header(document),
        _contents([section for section, _ in sections]),
        element("main", *(markup for _, markup in sections)),
        element("footer", element("p", "Made from usage.json, which has all of it, by pytest-dgbudget.")),
        element("script", Markup(_USAGE_JS)),
    )


def _contents(sections: Iterable[_Section]) -> Markup:
    links = [element("a", section.title, href=f"#{section.name}") for section in sections]
    theme = element("button", "Dark", type="button", id="theme", hidden=True)
    return element("nav", element("ul", *(element("li", link) for link in links)), theme, aria_label="Sections")
