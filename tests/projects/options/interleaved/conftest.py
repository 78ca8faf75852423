"""Set up all tests before the first teardown, as plugins do that run several tests at once in one process."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.fixtures import FixtureDef
from _pytest.runner import SetupState


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        definitions: dict[str, Sequence[FixtureDef[Any]]] = {}
        for name, defs in item._fixtureinfo.name2fixturedefs.items():
            definitions[name] = [copy.copy(each) for each in defs]
            for each in definitions[name]:
                each._finalizers = []  # type: ignore[misc]
        item._fixtureinfo = dataclasses.replace(item._fixtureinfo, name2fixturedefs=definitions)
        item._initrequest()
        item._request._arg2fixturedefs = definitions  # type: ignore[misc]


def pytest_runtestloop(session: pytest.Session) -> bool:
    states, said = [], []
    for item in session.items:
        states.append(SetupState())
        session._setupstate = states[-1]
        try:
            states[-1].setup(item)
        except Exception as error:
            said.append(f"{type(error).__name__}: {error}")
    for state in states:
        session._setupstate = state
        try:
            state.teardown_exact(None)
        except Exception as error:
            said.append(f"teardown {type(error).__name__}: {error}")
    Path("said.txt").write_text("\n".join(said), encoding="utf-8")
    return True
