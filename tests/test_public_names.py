"""What a test touches explains itself: each public name has a docstring, and so has all that it offers."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import pytest_dgbudget
from pytest_dgbudget import errors, public

NAMES = [name for name in public.__all__ if inspect.isclass(getattr(pytest_dgbudget, name))]
FACES = (pytest_dgbudget.AsyncSession, pytest_dgbudget.Session)


def offered(kind: type) -> dict[str, Any]:
    """What a class of ours defines for its users."""
    ours = [each for each in kind.__mro__ if each.__module__.startswith("pytest_dgbudget")]
    found = {name: value for each in ours for name, value in vars(each).items() if not name.startswith("_")}
    return {name: value for name, value in found.items() if inspect.isfunction(value) or isinstance(value, property)}


def test_type_checkers_find_the_same_names_in_the_same_places() -> None:
    imported: dict[str, object] = {name: getattr(errors, name) for name in errors.__all__}
    for statement in ast.parse(Path(pytest_dgbudget.__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body:
        assert isinstance(statement, ast.ImportFrom)
        for name in {alias.asname for alias in statement.names} - {None}:
            imported[str(name)] = getattr(import_module(str(statement.module)), str(name))
    assert imported == {name: getattr(public, name) for name in public.__all__}


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_has_a_docstring_and_so_has_all_that_it_offers(name: str) -> None:
    kind = getattr(pytest_dgbudget, name)
    doc = inspect.getdoc(kind) or ""
    assert doc
    assert not doc.startswith(f"{name}(")  # what dataclasses write by themselves
    assert [each for each, value in offered(kind).items() if not inspect.getdoc(value)] == []


def test_both_faces_offer_the_same_with_the_same_parameters() -> None:
    asynchronous, synchronous = (offered(face) for face in FACES)
    assert asynchronous.keys() == synchronous.keys()
    for name, value in asynchronous.items():
        if inspect.isfunction(value):
            assert list(inspect.signature(value).parameters) == list(inspect.signature(synchronous[name]).parameters)


def test_of_one_method_both_faces_say_the_same() -> None:
    asynchronous, synchronous = (offered(face) for face in FACES)
    differ = {name for name in asynchronous if inspect.getdoc(asynchronous[name]) != inspect.getdoc(synchronous[name])}
    assert differ == {"on_function", "send_audio"}  # where handlers run, and where sources may be asynchronous
