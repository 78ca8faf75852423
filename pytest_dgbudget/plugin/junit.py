"""The JUnit file: the figures of each testcase and of the run, and where the report is.

pytest gives plugins no access to a testcase's output, so this relies on how its ``LogXML`` keeps what it will write:
``node_reporters_ordered``, each an element once its test is over, and a list of elements where a worker crashed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, MutableSequence, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest

PREFIX = "dgbudget."
# Its value is a path relative to the report's folder.
TRANSCRIPT_PROPERTY = PREFIX + "transcript"

_MARKS: Mapping[str, str] = {
    "overlapped": "turns_overlapped",
    "unpaced": "turns_unpaced",
    "transcript": "turns_since_transcript",
    "continued": "turns_continued",
    "unanswered": "turns_unanswered",
}

Properties = list[tuple[str, str]]

# What no XML file can have, also not as a number.
_NO_XML = re.compile("[^\t\n\r -~\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# As GitLab reads it: without a path, or its closing brackets, it is not an attachment.
_ATTACHMENT = re.compile(r"\[\[ATTACHMENT\|[^\[\]|]+\]\]")


def attempt_properties(figures: Mapping[str, Any]) -> Properties:
    """Return one attempt's figures as properties; unknown ones say so."""
    values = {
        "seconds": _seconds(figures["used_seconds"]),
        "budget_seconds": "off" if figures["budget_seconds"] is None else _seconds(figures["budget_seconds"]),
        "sessions": _known(figures["sessions"]),
        "cost_usd": _usd(figures["cost_usd"]),
        **_cost_budget(figures),
        "request_ids": ",".join(figures["request_ids"]),
        "attempt": str(figures["attempt"]),
        **_forecast(figures),
        **_replays(figures),
        **_turns(figures),
        **_marked(figures),
        **_vendor_latency(figures),
        "verdict": _known(figures["verdict"]),
    }
    return [(PREFIX + name, value) for name, value in values.items()]


def run_properties(document: Mapping[str, Any], report: str | None) -> Properties:
    """Return the run's figures as properties."""
    run = document["run"]
    values = {
        "run_id": run["id"],
        "target": run["target"],
        "budget_seconds": "off" if run["budget_seconds"] is None else _seconds(run["budget_seconds"]),
        "seconds": _seconds(run["used_seconds"]),
        "sessions": str(run["sessions"]),
        "cost_usd": _usd(run["cost_usd"]),
        **_cost_budget(run),
        **_replays(run),
        **_turns(run),
        "verdict": run["verdict"],
        "failing": "true" if run["failing"] else "false",
        "reconciliation": document["reconciliation"]["verdict"],
        "report": report or "unknown",
    }
    return [(PREFIX + name, value) for name, value in values.items()]


def without_ours(properties: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """Return the properties that aren't ours: on a rerun ours are replaced, never appended."""
    return [(name, value) for name, value in properties if not str(name).startswith(PREFIX)]


def _forecast(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return what an emulated test would use live; nothing where that is not known."""
    forecast = figures["forecast_seconds"]
    return {} if forecast is None else {"forecast_seconds": _seconds(forecast)}


def _replays(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return how many sessions were replayed and what that saved, where any was."""
    if not figures.get("replayed"):
        return {}
    return {
        "replayed": str(figures["replayed"]),
        "saved_seconds": _seconds(figures["saved_seconds"]),
        "saved_usd": _usd(figures["saved_usd"]),
    }


def _turns(figures: Mapping[str, Any]) -> dict[str, str]:
    turns = figures["turns"]
    return {
        "turns": _known(turns),
        "latency_p50_ms": _latency(figures["latency_p50_ms"], turns),
        "latency_p95_ms": _latency(figures["latency_p95_ms"], turns),
    }


def _marked(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return how many turns have each mark, where any has."""
    marked = figures["marked_turns"] or {}
    return {_MARKS[mark]: str(turns) for mark, turns in marked.items() if turns}


def _vendor_latency(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return what the vendor's own LatencyReports say, where any came."""
    vendor = figures["vendor_latency"]
    if not vendor or not vendor["reports"]:
        return {}
    return {f"vendor_latency_{rank}_ms": str(vendor[f"{rank}_ms"]) for rank in ("p50", "p95")}


def _cost_budget(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return the budget in money, where there is one, and that the cost is an estimate, where it is."""
    budget = figures["cost_budget_usd"]
    of_budget = {} if budget is None else {"cost_budget_usd": _usd(budget)}
    return {**of_budget, **({"cost_estimated": "true"} if figures["estimated"] else {})}


def _seconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.3f}"


def _usd(dollars: float | None) -> str:
    return "unknown" if dollars is None else f"{dollars:.6f}"


def _latency(latency_ms: int | None, turns: int | None) -> str:
    return "none" if turns == 0 else _known(latency_ms)


def _known(value: object) -> str:
    return "unknown" if value is None else str(value)


def attachment_path(report: str, how: str, rootdir: Path) -> str:
    """Return the path as a CI server finds it: GitLab looks in its project's folder, Jenkins wants an absolute one."""
    path, base = Path(report), Path(os.environ.get("CI_PROJECT_DIR") or rootdir)
    if how == "absolute":
        return str(path)
    # The working directory is never named by a gateway, the project's folder may be.
    named = [(path, base), (path.resolve(), base.resolve())]
    return next((str(of.relative_to(to)) for of, to in named if of.is_relative_to(to)), str(path))


class JUnitFile:
    """The file that pytest is about to write; ``of`` returns None where it writes none."""

    def __init__(self, log_xml: Any) -> None:
        self._xml = log_xml

    @classmethod
    def of(cls, config: pytest.Config) -> JUnitFile | None:
        plugins = config.pluginmanager.get_plugins()
        return next((cls(plugin) for plugin in plugins if type(plugin).__name__ == "LogXML"), None)

    def add_to_suite(self, properties: Properties) -> None:
        for name, value in properties:
            self._xml.add_global_property(name, value)

    def add_to_crashed(self, report: pytest.TestReport) -> None:
        """Add the properties of a test whose worker crashed: pytest does so with the teardown's report.

        Where the teardown's report came before the crash, the figures are in the file already.
        """
        reporter = self._xml.node_reporter(report)
        ours = [(name, value) for name, value in report.user_properties if name.startswith(PREFIX)]
        figures = [pair for pair in ours if pair[0] != TRANSCRIPT_PROPERTY]
        test, cases = _name(reporter.to_xml()), [each.to_xml() for each in self._xml.node_reporters_ordered]
        reported = next((case for case in cases if _name(case) == test and _our_properties(case) == figures), None)
        if reported is None:
            for name, value in ours:
                reporter.add_property(name, value)
        elif (properties := reported.find("properties")) is not None:
            more = ours[len(figures) :]
            properties.extend(Element("property", name=name, value=_in_xml(str(value))) for name, value in more)

    def attach(self, report: str | None, path_of: Callable[[str], str | None]) -> None:
        """Name a file in the output of every failed or errored testcase that has our properties.

        That is its transcript, as ``path_of`` names it, or else the report, if there is one: a worker elsewhere keeps
        its transcripts on its machine.
        """
        cases = [(reporter.to_xml(), reporter) for reporter in self._xml.node_reporters_ordered]
        # An error in the teardown has a testcase of its own; the properties are in one of the two.
        ours = {_name(case): _our_properties(case) for case, _ in cases if _our_properties(case)}
        for case, reporter in cases:
            properties = dict(_our_properties(case) or ours.get(_name(case), []))
            transcript = properties.get(TRANSCRIPT_PROPERTY)
            path = (None if transcript is None else path_of(transcript)) or report
            if properties and path is not None and any(child.tag in {"failure", "error"} for child in case):
                _attach(f"[[ATTACHMENT|{_in_xml(path)}]]", _children(reporter, case))

    def write_figures_into_output(self) -> None:
        """Take the figures of each testcase out of its properties, which strict readers refuse, into its output."""
        for reporter, case, figures in self._with_figures():
            _drop_ours(reporter, case)
            line = " ".join(f"{name.removeprefix(PREFIX)}={value}" for name, value in figures)
            _add_output(_children(reporter, case), last=f"dgbudget: {line}")

    def drop_figures(self) -> None:
        for reporter, case, _ in self._with_figures():
            _drop_ours(reporter, case)

    def _with_figures(self) -> list[tuple[Any, Element, Properties]]:
        cases = [(reporter, reporter.to_xml()) for reporter in self._xml.node_reporters_ordered]
        return [(reporter, case, figures) for reporter, case in cases if (figures := _our_properties(case))]


def _in_xml(text: str) -> str:
    """Return a text as pytest writes it: a folder's name may have characters that XML has not."""
    return _NO_XML.sub(lambda found: f"#x{ord(found[0]):02X}", text)


def _name(case: Element) -> tuple[str | None, str | None]:
    return case.get("classname"), case.get("name")


def _our_properties(case: Element) -> list[tuple[str, str]]:
    properties = [(entry.get("name", ""), entry.get("value", "")) for entry in case.iterfind("properties/property")]
    return [(name, value) for name, value in properties if name.startswith(PREFIX)]


def _children(reporter: Any, case: Element) -> MutableSequence[Element] | Element:
    """Return where a testcase's elements can be changed: before its test is over, each look makes new ones."""
    return reporter.nodes if hasattr(reporter, "nodes") else case


def _drop_ours(reporter: Any, case: Element) -> None:
    if hasattr(reporter, "nodes"):
        reporter.properties = without_ours(reporter.properties)
        return
    for properties in case.findall("properties"):
        for entry in properties.findall("property"):
            if entry.get("name", "").startswith(PREFIX):
                properties.remove(entry)
        if len(properties) == 0:
            case.remove(properties)


def _attach(tag: str, children: MutableSequence[Element] | Element) -> None:
    """Put the tag at the start of the output, unless the test attaches something itself: only the first one counts."""
    outputs = [child.text or "" for child in children if child.tag == "system-out"]
    _add_output(children, first="" if any(_ATTACHMENT.search(text) for text in outputs) else tag)


def _add_output(children: MutableSequence[Element] | Element, *, first: str = "", last: str = "") -> None:
    """Add text to a testcase's only ``<system-out>``: GitLab breaks on two of them."""
    outputs = [child for child in children if child.tag == "system-out"]
    texts: Sequence[str] = [output.text or "" for output in outputs]
    for output in outputs:
        children.remove(output)
    merged = Element("system-out")
    merged.text = "\n".join(part for part in (first, *texts, last) if part)
    errors = [index for index, child in enumerate(children) if child.tag == "system-err"]
    children.insert(errors[0] if errors else len(children), merged)
