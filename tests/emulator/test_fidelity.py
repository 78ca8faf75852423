"""docs/emulator-fidelity.md, the code and its tests say the same of messages, codes, switches and what was seen."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

import pytest_dgbudget.emulator
from pytest_dgbudget.emulator.agent.conversation import _HANDLERS, Conversation
from pytest_dgbudget.emulator.behavior import Limits
from pytest_dgbudget.emulator.codes import ERRORS, SCRIPTED, WARNINGS
from pytest_dgbudget.emulator.timing import FRAME_MS, SEEN
from pytest_dgbudget.emulator.vendor import LATEST, SETS, SWITCHES, Vendor
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


@pytest.mark.parametrize(("section", "source"), [("Messages", 3), ("Codes", 3), ("As seen", 2), ("Switches", 4)])
def test_every_row_names_its_source(section: str, source: int) -> None:
    assert [row[0] for row in rows(section) if not row[source]] == []


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def documented_values(kind: Any) -> list[str]:
    """What the page has to say of a switch of this type."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return ["true", "false"] if kind is bool else ["0 to 100"]


def test_page_has_every_switch_with_its_values_and_what_it_is_in_each_set() -> None:
    kinds = get_type_hints(Vendor)
    expected = {
        name: (documented_values(kinds[name]), *(written(getattr(SETS[each], name)) for each in (LATEST, "2025")))
        for name in SWITCHES
    }
    documented = {
        name: ([each.strip(" `") for each in values.split(",")], latest, before)
        for name, values, latest, before, *_ in rows("Switches")
    }
    assert documented == expected
    assert set(SETS) == {LATEST, "2025"}


def test_the_values_of_every_switch_are_those_that_it_takes() -> None:
    for name, kind in get_type_hints(Vendor).items():
        for value in get_args(kind) or ((True, False) if kind is bool else (0, 100)):
            assert SWITCHES[name](value) == value
        with pytest.raises(ValueError, match=r"is n"):
            SWITCHES[name](101)


def names_as_seen() -> list[str]:
    """The names of the tests in test_as_seen*.py."""
    sources = Path(__file__).parent.glob("test_as_seen*.py")
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in sources]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return [name for name in functions if name.startswith("test_")]


def test_every_row_as_seen_has_one_test_and_every_test_a_row() -> None:
    numbered = Counter(match[1] for name in names_as_seen() if (match := re.match(r"test_row_(\d\d)_", name)))
    documented = [f"{int(row[0]):02}" for row in rows("As seen")]
    assert documented == [f"{n:02}" for n in range(1, 28)]
    assert numbered == dict.fromkeys(documented, 1)


def test_every_other_test_as_seen_is_of_order_or_pacing_which_the_page_has() -> None:
    others = {re.split(r"_", name)[1] for name in names_as_seen()} - {"row"}
    assert others == {"order", "pacing"}
    text = PAGE.read_text(encoding="utf-8")
    assert "**Order of messages.**" in text
    assert "**Pacing**" in text


def test_every_row_as_seen_has_a_strength_and_switches_that_there_are() -> None:
    for number, _, _, strength, switch in rows("As seen"):
        assert re.fullmatch(r"\++", strength), number
        assert len(strength) <= 4
        names = re.findall(r"[a-z_]{4,}", switch.partition("(")[0])
        assert set(names) <= SWITCHES.keys(), number
        assert names or switch.startswith("\u2013"), number


def test_the_page_has_the_emulators_times() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for words in (
        f"SettingsApplied ({SEEN.settings_ms / 1000:g} s after Settings)",
        f"audio ({SEEN.first_sound_ms / 1000:g} s after SettingsApplied)",
        f"in frames of {FRAME_MS} ms",
        f"{SEEN.per_character_ms} ms a character and {SEEN.shortest_ms / 1000:g} s at least",
        f"it takes {SEEN.thinking_ms / 1000:g} s, after a function {SEEN.after_function_ms / 1000:g} s",
        f"A client that sends nothing for {Limits().silence:g} s is timed out",
        f"{Limits().silence:g} s, or `--client-timeout`",
    ):
        assert words in text
    assert (SEEN.speed, "here three times" in text) == (3.0, True)
