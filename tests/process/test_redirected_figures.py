"""Every client that is redirected, in a network whose stand-in has the vendor's real names: its sessions are ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.client_world import AT_IMPORT, MATRIX, REDIRECTED, client_world, installed

# The stand-in's clock and the gateway's see the same session over two sockets.
CLOSE_ENOUGH_SECONDS = 0.1
CLOSED_BY = {"test_ends": "client", "test_is_cut": "test-budget", "test_leaves_open": "teardown"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", [name for name, clients in MATRIX.items() if REDIRECTED & set(clients.clients)])
def test_what_is_redirected_is_metered_attributed_cut_and_closed(name: str, tmp_path: Path) -> None:
    """Also: a gateway that a redirected process has started dials the vendor, not itself."""
    with client_world(tmp_path) as world:
        usage, seen, output = world.meter("redirect/metered", MATRIX[name], installed(name))
    assert [one["path"] for one in seen] == ["/v1/agent/converse"] * len(seen), output
    assert {one["headers"].get("authorization") for one in seen} == {f"Token {AT_IMPORT}"}
    assert [one["process"] for one in seen if "pytest_dgbudget.gateway" not in str(one["process"])] == []
    measured = {one["request_id"]: one["closed_at"] - one["opened_at"] for one in seen}
    sessions = {session["request_id"]: session for session in usage["sessions"]}
    assert sessions.keys() == measured.keys(), output
    for request_id, session in sessions.items():
        # Metered from the dial on; the stand-in measures from its 101 on.
        beyond = session["seconds"] - measured[request_id]
        assert -CLOSE_ENOUGH_SECONDS <= beyond <= session["handshake_seconds"] + CLOSE_ENOUGH_SECONDS, session
    redirected = REDIRECTED & set(MATRIX[name].clients)
    here = len(redirected) if MATRIX[name].beside_ours else 0
    assert len(usage["tests"]) == 5 * here + 3 * len(redirected), output  # a test without a session is none of them
    for test in usage["tests"]:
        its_own = [session for session in sessions.values() if session["nodeid"] == test["nodeid"]]
        kind = test["nodeid"].partition("::")[2].partition("[")[0].removesuffix("_in_child")
        assert len(its_own) == (3 if "test_ends_in_child" in test["nodeid"] else 1), (test, output)
        assert {session["closed_by"] for session in its_own} == {CLOSED_BY[kind]}, (test, output)
        assert test["outcome"] == ("failed" if kind == "test_is_cut" else "passed"), (test, output)
        assert test["used_seconds"] <= 0.5 or kind != "test_is_cut", test
