"""What a project is told of clients that were refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.rules_project import made_once

SECTION = re.compile(r"^-+ Captured dgbudget (setup|call|teardown) -+$")


def sections_of(output: str) -> dict[str, list[tuple[str, str]]]:
    """Return, by the names of tests, what each one's sections of ours say, and in which phase."""
    found: dict[str, list[tuple[str, str]]] = {}
    name, when = "", ""
    for line in output.splitlines():
        if heading := re.fullmatch(r"_+ (?:ERROR at \w+ of )?(test_\w+) _+", line):
            name, when = heading[1], ""
        elif section := SECTION.match(line):
            when = section[1]
        elif line.startswith(("-", "=")):
            when = ""
        elif when:
            found.setdefault(name, []).append((when, line))
    return found


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    def run(path: Path) -> dict[str, list[tuple[str, str]]]:
        project = Project(path)
        project.use("refusals/test_refused.py")
        settings = ("--dg-target=emulator", "--dg-reconcile=off", "-o", "dg_artifacts=off")
        result = project.run(*settings, env={"COLUMNS": "80"})
        project.end()
        assert "9 failed" in result.output, result.output
        return {"": [("", result.output)], **sections_of(result.output)}

    return made_once(tmp_path_factory, "refusals", run)


UNAUTHORIZED = "a client was refused: 401 DGBUDGET_UNAUTHORIZED: "


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (
            "test_vendor",
            "a client was refused: 401 INVALID_AUTH: A fault of the emulator refuses this session.; Deepgram "
            "refused the key: check DEEPGRAM_API_KEY; 4 reconnects refused",
        ),
        (
            "test_token",
            UNAUTHORIZED + "no such token; a test's comes from voice_agent.endpoint and ends with the test",
        ),
        (
            "test_outlived",
            UNAUTHORIZED + "a client came with a token of test_refused.py::test_token, which is over: "
            "does the application outlive its test?",
        ),
        (
            "test_caught",
            "a client was refused: 403 NOT_ALLOWED: A fault of the emulator refuses this session.; the key lacks a "
            "permission, or the project has no access to the model",
        ),
        (
            "test_idle",
            "a client was refused: 402 DGBUDGET_IDLE: 3 sessions of this test were closed as idle, so it opens no "
            "more: its client reconnects by itself; have it stop, or raise --dg-idle-timeout; 2 reconnects refused",
        ),
    ],
)
def test_why_a_client_was_refused_is_a_section_of_its_tests_report(
    sections: dict[str, list[tuple[str, str]]], test: str, told: str
) -> None:
    assert sections.get(test) == [("call", told)], sections[""][0][1]


def test_reconnects_after_a_cut_are_counted_in_one_line(sections: dict[str, list[tuple[str, str]]]) -> None:
    ((when, told),) = sections["test_reconnects"]
    assert when == "call"
    assert told.startswith("a client was refused: 402 DGBUDGET_EXHAUSTED: test budget of 1s nearly spent, ")
    assert told.endswith(" used; raise it by marker dg_budget or --dg-test-budget; 4 reconnects refused")


def test_what_is_met_in_teardown_is_told_there(sections: dict[str, list[tuple[str, str]]]) -> None:
    assert [when for when, _ in sections["test_in_teardown"]] == ["teardown"]


def test_what_the_tests_own_error_says_is_not_said_again(sections: dict[str, list[tuple[str, str]]]) -> None:
    assert "test_own_client" not in sections


def test_a_path_that_nobody_serves_is_told_with_the_one_that_is(sections: dict[str, list[tuple[str, str]]]) -> None:
    ((when, told),) = sections["test_path"]
    assert (when, told.startswith("a client was refused: 404 DGBUDGET_NOT_FOUND: ")) == ("call", True)
    assert told.endswith("sessions of the agent are opened at /v1/agent/converse")


@pytest.mark.slow
@pytest.mark.parametrize("allowed", ["app:*", "127.0.0.1:*"])
def test_an_application_behind_a_port_forward_is_let_in_by_dg_allowed_hosts(project: Project, allowed: str) -> None:
    project.use("refusals/test_forwarded.py")
    result = project.run("--dg-target=emulator", "--dg-reconcile=off", "-o", f"dg_allowed_hosts={allowed}")
    if allowed == "127.0.0.1:*":
        assert result.status == 0, result.output
    else:
        assert result.status == 1, result.output
        assert "HTTP 403" in result.output
        assert "a client was refused: 403 DGBUDGET_WRONG_HOST: " in result.output
        assert "name that one in dg_allowed_hosts" in result.output
