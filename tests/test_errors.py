"""The public names, and the error tree as it is printed."""

from __future__ import annotations

import builtins
import inspect
import re
from typing import Literal, get_origin

import pytest

import pytest_dgbudget
from pytest_dgbudget import errors, public

_NODE = re.compile(r"^([│ ]*)[├└]── (\w+)(?: \((\w+)\))?\s", re.MULTILINE)


def printed_tree() -> dict[str, list[str]]:
    """Return each error of the printed tree with its bases: the branch it hangs on, and the one in parentheses."""
    tree: dict[str, list[str]] = {}
    branch = ["DgBudgetError"]
    for indent, name, standard in _NODE.findall(errors.__doc__ or ""):
        del branch[1 + len(indent) // 4 :]
        tree[name] = [branch[-1], *([standard] if standard else [])]
        branch.append(name)
    return tree


def defined_errors() -> dict[str, type]:
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: kind for name, kind in classes if kind.__module__ == pytest_dgbudget.__name__}


def test_the_printed_tree_is_the_tree() -> None:
    defined = {name: [base.__name__ for base in kind.__bases__] for name, kind in defined_errors().items()}
    assert defined.pop("DgBudgetError") == ["Exception"]
    assert printed_tree() == defined


def test_every_error_derives_from_the_one_root() -> None:
    assert all(issubclass(kind, errors.DgBudgetError) for kind in defined_errors().values())


@pytest.mark.parametrize(
    ("error", "standard"),
    [
        ("SessionClosed", "ConnectionError"),
        ("HandshakeRefused", "ConnectionError"),
        ("ExpectTimeout", "TimeoutError"),
        ("SettingsError", "ValueError"),
    ],
)
def test_who_catches_the_standard_error_catches_ours(error: str, standard: str) -> None:
    assert printed_tree()[error][1:] == [standard]
    assert issubclass(getattr(errors, error), getattr(builtins, standard))


@pytest.mark.parametrize("kind", [errors.BudgetExceeded, errors.BudgetExhausted])
def test_an_overrun_says_which_budget_and_how_much(
    kind: type[errors.BudgetExceeded | errors.BudgetExhausted],
) -> None:
    error = kind("said", budget="run", used_seconds=1.5, allowed_seconds=2.0)
    assert (str(error), error.budget, error.used_seconds, error.allowed_seconds) == ("said", "run", 1.5, 2.0)


def test_every_error_is_public() -> None:
    assert defined_errors().keys() <= set(public.__all__)


@pytest.mark.parametrize("name", public.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    value = getattr(pytest_dgbudget, name)
    assert get_origin(value) is Literal or value.__name__ == name


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_shown_as_it_is_imported(name: str) -> None:
    kind = getattr(errors, name)
    assert (kind.__module__, getattr(pytest_dgbudget, name)) == ("pytest_dgbudget", kind)


def test_no_public_name_of_the_contract_is_missing() -> None:
    promised = "VoiceAgent AsyncSession Session Endpoint Turn Usage Message"
    assert set(promised.split()) <= set(public.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NoSuchName"):
        _ = pytest_dgbudget.NoSuchName  # type: ignore[attr-defined]
