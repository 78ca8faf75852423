"""docs/emulator-fidelity.md and the code say the same of each message and code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_dgbudget.emulator
from pytest_dgbudget.emulator.agent.conversation import _HANDLERS, Conversation
from pytest_dgbudget.emulator.codes import ERRORS, SCRIPTED, WARNINGS
from tests.support.vendor_messages import CLIENT_MESSAGES, SERVER_MESSAGES

PAGE = Path(__file__).parents[2] / "docs" / "emulator-fidelity.md"
SOURCES = sorted(Path(pytest_dgbudget.emulator.__file__).parent.rglob("*.py"))
SENDS = {"write_message", "acknowledge"}  # MessageWriter's methods whose first argument is a message's type


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def messages(side: str) -> dict[str, bool]:
    """Whether each is emulated, as the page says."""
    return {name: emulated == "yes" for name, of, emulated, *_ in rows("Messages") if of == side and name != "audio"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the emulator's sources, with the name of what is called."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
                yield node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id, node


def texts(node: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def sent_messages() -> set[str]:
    sent = {text for name, call in calls() if name in SENDS and call.args for text in texts(call.args[0])}
    return sent | {"Error"}  # the server's own


def sent_codes() -> set[str]:
    """All codes in the sources but those of the table itself."""
    found: set[str] = set()
    for source in SOURCES:
        if source.name != "codes.py":
            found |= texts(ast.parse(source.read_text(encoding="utf-8")))
    return found & (ERRORS.keys() | WARNINGS.keys())


def test_page_has_every_message() -> None:
    assert messages("client").keys() == CLIENT_MESSAGES
    assert messages("server").keys() == SERVER_MESSAGES


def test_page_says_which_messages_of_clients_are_emulated() -> None:
    emulated = {name: handler is not Conversation._not_emulated for name, handler in _HANDLERS.items()}
    assert messages("client") == emulated


def test_page_says_which_messages_are_sent() -> None:
    assert {name for name, emulated in messages("server").items() if emulated} == sent_messages()


def test_page_has_every_code_with_what_triggers_it() -> None:
    documented = {(code, kind): when for code, kind, when, *_ in rows("Codes")}
    expected = {(code, "Error"): when for code, when in ERRORS.items()}
    assert documented == expected | {(code, "Warning"): when for code, when in WARNINGS.items()}


def test_codes_that_scenarios_alone_send_are_nowhere_else() -> None:
    triggers = {**ERRORS, **WARNINGS}
    by_itself = {code for code, when in triggers.items() if when != SCRIPTED} - {"NOT_EMULATED"}
    assert sent_codes() == by_itself


@pytest.mark.parametrize("section", ["Messages", "Codes"])
def test_every_row_names_its_source(section: str) -> None:
    assert [row[0] for row in rows(section) if not row[3]] == []
