"""Redirects this run from its start or, as in one that isn't ours, each test; REDIRECTED says which, or neither."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pytest_dgbudget.redirect import VARIABLE, install

if os.environ.get("REDIRECTED") == "run":
    install(os.environ[VARIABLE])


@pytest.fixture(autouse=True)
def _redirected_test() -> Iterator[None]:
    redirect = install(os.environ[VARIABLE]) if os.environ.get("REDIRECTED") == "test" else None
    yield
    if redirect is not None:
        redirect.uninstall()
