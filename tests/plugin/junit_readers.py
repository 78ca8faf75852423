"""The JUnit file as others take it: junitparser reads the figures, GitLab and Jenkins look for attachments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from junitparser.xunit2 import JUnitXml

OURS = "dgbudget."

# An attempt of a test of a project without classes: its function's name, and which attempt.
Attempt = tuple[str, int]


@dataclass(frozen=True)
class Case:
    """One testcase with our properties as junitparser gives them; ``attached`` is what GitLab shows of it."""

    name: str | None
    failed: bool
    figures: Mapping[str, str]
    output: str | None
    attached: str | None

    @property
    def attempt(self) -> Attempt:
        assert self.name is not None
        return self.name, int(self.figures["attempt"])

    @property
    def request_ids(self) -> list[str]:
        return [each for each in self.figures["request_ids"].split(",") if each]


class JUnit:
    """A JUnit file of one testsuite."""

    def __init__(self, path: Path) -> None:
        (suite,) = JUnitXml.fromfile(str(path))
        self.figures = _ours(suite)
        elements = list(ElementTree.parse(path).iter("testcase"))
        self.cases = [
            Case(case.name, case.is_failure or case.is_error, _ours(case), case.system_out, gitlab(element))
            for case, element in zip(suite, elements, strict=True)
        ]
        self.jenkins = [found for element in elements for found in jenkins(element)]

    @property
    def using(self) -> list[Case]:
        return [case for case in self.cases if case.figures]

    def of(self, name: str) -> list[Case]:
        return [case for case in self.cases if case.name == name]


def jenkins_xunit_refuses(path: Path) -> list[str]:
    """Return what the schema of Jenkins' xUnit plugin has against a file (junit-10.xsd, MIT, as pytest ships it)."""
    from xmlschema import XMLSchema

    schema = XMLSchema(Path(__file__).with_name("junit-10.xsd"))
    return [str(error.reason) for error in schema.iter_errors(path)]


def _ours(element: Any) -> dict[str, str]:
    pairs = [(each.name, each.value) for each in element.properties() if each.name.startswith(OURS)]
    figures = {name.removeprefix(OURS): value for name, value in pairs}
    assert len(figures) == len(pairs), f"a property twice: {pairs}"
    return figures


def gitlab(case: ElementTree.Element) -> str | None:
    """Only failed and errored testcases, the first tag, and two system-out are a list that its parser breaks on."""
    if case.find("failure") is None and case.find("error") is None:
        return None
    outputs = case.findall("system-out")
    assert len(outputs) <= 1, "GitLab's parser breaks"
    text = "".join(output.text or "" for output in outputs)
    found = re.search(r"\[\[ATTACHMENT\|(?P<path>[^\[\]\|]+?)\]\]", text)
    return None if found is None else found["path"]


def jenkins(case: ElementTree.Element) -> list[Path]:
    """Each line of the output that is a tag with an absolute path."""
    text = "\n".join(output.text or "" for output in case.findall("system-out"))
    lines = [re.fullmatch(r"\[\[ATTACHMENT\|(.+)\]\]", line.strip()) for line in text.splitlines()]
    paths = [Path(line[1].partition("|")[0]) for line in lines if line is not None]
    return [path for path in paths if path.is_absolute()]
