"""Every client, imported before or after, with a key from anywhere, here or in a child: redirected or refused.

In a network of its own whose stand-in has the vendor's real names; with the redirect off the same cells reach it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client_world import KEYS, MATRIX, TOKEN, World, client_world, installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with client_world(tmp_path) as world:
        yield world


def is_redirected(gateway: list[dict[str, Any]], outcome: str) -> bool:
    shown = [one["credential"] or "" for one in gateway if one["path"] == "/v1/agent/converse"]
    return "Welcome" in outcome and len(shown) == 1 and shown[0] in (f"Token {TOKEN}", f"token, {TOKEN}")


def is_refused(gateway: list[dict[str, Any]], outcome: str) -> bool:
    return (
        [one["path"] for one in gateway] == ["/bypass"] and "Welcome" not in outcome and "101 Switching" not in outcome
    )


@pytest.mark.parametrize("name", MATRIX)
def test_every_session_is_redirected_or_refused(name: str, world: World) -> None:
    clients, packages = MATRIX[name], installed(name)
    for client, source, outcome, gateway, vendor in world.run(clients, packages, "off"):
        shown = [one["credential"] for one in vendor]
        assert shown in ([f"Token {KEYS[source]}"], [f"token, {KEYS[source]}"]), (client, source, outcome)
        assert gateway == []
        assert vendor[0]["process"] is not None
    for how, before in (("in process", True), ("in process", False), ("child", False)):
        for client, source, outcome, gateway, vendor in world.run(clients, packages, how, before=before):
            cell = (client, source, how, before, outcome, gateway, vendor)
            assert [one for one in vendor if one["credential"]] == [], cell
            assert is_redirected(gateway, outcome) or is_refused(gateway, outcome), cell
            assert not any(key in str(cell) for key in KEYS.values()), cell
