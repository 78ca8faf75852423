"""The management API: who is let in, which paths exist, and how everything else is refused."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pytest_dgbudget.emulator.management import api as rest
from pytest_dgbudget.emulator.management import routes
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import ANSWERS, PROJECT, VENDOR, ask, check, filled, get

pytestmark = pytest.mark.asyncio

EMULATED = sorted(ANSWERS)


@pytest.mark.parametrize("operation", EMULATED)
@pytest.mark.parametrize("credentials", [None, "Token dgemu_wrong", "Bearer {key}", "{key}", "Token"])
async def test_only_a_key_of_the_emulators_as_token_gets_in(
    emulator: Emulator, operation: str, credentials: str | None
) -> None:
    authorization = credentials and credentials.format(key=emulator.api_key)
    method, path = operation.split()
    reply = await ask(emulator, filled(path, emulator), method=method, authorization=authorization)
    assert reply.refusal() == (401, "INVALID_AUTH")
    assert reply.json["err_msg"] == "Invalid credentials."


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer"])
async def test_a_foreign_key_is_refused_with_a_hint_and_never_echoed(emulator: Emulator, scheme: str) -> None:
    reply = await ask(emulator, "/v1/projects", authorization=f"{scheme} 0123456789secret")
    assert reply.refusal() == (401, "INVALID_AUTH")
    assert reply.json["err_msg"] == "Invalid credentials."
    assert "emulator" in reply.json["emulator"]
    assert "secret" not in f"{reply}"


@pytest.mark.parametrize(
    ("credentials", "hint"),
    [
        (None, "Send Authorization: Token KEY, with the emulator's api_key."),
        ("Token dgemu_wrong", "The key is not, or no longer, one of this emulator's."),
        ("Bearer {key}", "Bearer takes tokens of auth/grant; an API key goes with Token."),
        ("Bearer dgemu_wrong", "Bearer takes tokens of auth/grant; an API key goes with Token."),
    ],
)
async def test_a_hint_stands_beside_the_vendors_words(emulator: Emulator, credentials: str | None, hint: str) -> None:
    authorization = credentials and credentials.format(key=emulator.api_key)
    reply = await ask(emulator, "/v1/projects", authorization=authorization)
    assert (reply.json["err_msg"], reply.json["emulator"]) == ("Invalid credentials.", hint)


async def test_the_keys_only_project(emulator: Emulator) -> None:
    reply = await ask(emulator, "/v1/projects", authorization=f"token {emulator.api_key}")
    check(reply.json, "ListProjectsV1Response")
    (project,) = reply.json["projects"]
    assert project["project_id"] == emulator.project_id
    assert await get(emulator, "") == {**project, "mip_opt_out": False}


@pytest.mark.parametrize("operation", [each for each in EMULATED if "/projects/{}" in each])
async def test_unknown_project_is_404(emulator: Emulator, operation: str) -> None:
    method, path = operation.split()
    reply = await ask(emulator, path.replace("{}", str(uuid4())), method=method)
    assert reply.refusal() == (404, "PROJECT_NOT_FOUND")


@pytest.mark.parametrize("bad", ["x", "0", "00000000-0000-0000-0000-00000000000g", "%00"])
@pytest.mark.parametrize("path", ["/v1/projects/{}", "/v1/projects/{}/requests", f"{PROJECT}/requests/{{}}"])
async def test_bad_uuid_is_404_in_plain_text(emulator: Emulator, path: str, bad: str) -> None:
    reply = await ask(emulator, path.replace("{}", bad))
    assert (reply.status, reply.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert reply.body.startswith(b"UUID parsing failed: ")


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (f"GET {PROJECT}/requests", "REQUEST_NOT_FOUND"),
        (f"GET {PROJECT}/balances", "BALANCE_NOT_FOUND"),
        (f"GET {PROJECT}/keys", "KEY_NOT_FOUND"),
        (f"DELETE {PROJECT}/keys", "KEY_NOT_FOUND"),
        (f"GET {PROJECT}/models", "MODEL_NOT_FOUND"),
        *((f"{method} {PROJECT}/agents", "AGENT_NOT_FOUND") for method in ("GET", "PUT", "DELETE")),
        *((f"{method} {PROJECT}/agent-variables", "VARIABLE_NOT_FOUND") for method in ("GET", "PATCH", "DELETE")),
        ("GET /v1/models", "MODEL_NOT_FOUND"),
    ],
)
async def test_what_has_an_unknown_id_is_404(emulator: Emulator, operation: str, code: str) -> None:
    method, path = operation.split()
    assert (await ask(emulator, f"{path}/{uuid4()}", method=method)).refusal() == (404, code)


async def test_project_id_is_known_in_capitals(emulator: Emulator) -> None:
    assert (await ask(emulator, f"/v1/projects/{emulator.project_id.upper()}")).status == 200


@pytest.mark.parametrize("operation", sorted(set(VENDOR["operations"]) - set(EMULATED)))
async def test_what_only_the_vendor_has_is_501_even_without_a_key(emulator: Emulator, operation: str) -> None:
    method, path = operation.split()
    reply = await ask(emulator, filled(path, emulator), method=method, authorization=None)
    assert reply.refusal() == (501, "NOT_IMPLEMENTED")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS"])
async def test_path_that_only_the_vendor_has_says_so_to_any_method(emulator: Emulator, method: str) -> None:
    reply = await ask(emulator, "/v1/listen", method=method, authorization=None)
    assert reply.status == 501


async def test_every_operation_of_the_vendor_is_known() -> None:
    assert sorted([*rest.OPERATIONS, *routes.NOT_EMULATED]) == VENDOR["operations"]
    assert sorted(rest.OPERATIONS) == EMULATED


@pytest.mark.parametrize("path", ["/", "/x", "/v1", "/v1/projects/", f"{PROJECT}/x", f"{PROJECT}//requests", "*"])
async def test_unknown_path_is_404(emulator: Emulator, path: str) -> None:
    assert (await ask(emulator, path)).refusal() == (404, "NOT_FOUND")
    assert (await ask(emulator, path, method="DELETE", authorization=None)).refusal() == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/projects", "GET, HEAD"),
        ("PUT", PROJECT, "GET, HEAD"),
        ("DELETE", f"{PROJECT}/keys", "GET, POST, HEAD"),
        ("OPTIONS", f"{PROJECT}/requests", "GET, HEAD"),
        ("GET", "/v1/auth/grant", "POST"),
        ("HEAD", "/v1/auth/grant", "POST"),
    ],
)
async def test_an_unknown_method_is_405(emulator: Emulator, method: str, path: str, allowed: str) -> None:
    reply = await ask(emulator, path, method=method)
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert reply.refusal() == (405, "METHOD_NOT_ALLOWED")


async def test_every_answer_has_an_id_of_its_own(emulator: Emulator) -> None:
    ids = {(await ask(emulator, path)).headers["dg-request-id"] for path in ["/v1/projects", "/v1/projects", "/x"]}
    assert len(ids) == 3
