"""The management API's doors: who gets in, which paths there are, and how the others are told."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pytest_dgbudget.emulator import rest
from pytest_dgbudget.emulator.server import Emulator

from .api import PROJECT, VENDOR, ask, check, get

pytestmark = pytest.mark.asyncio

EMULATED = sorted(VENDOR["answers"])


def filled(path: str, emulator: Emulator) -> str:
    """A path of the vendor's file with our project's id, and ids of nothing behind it."""
    first, *others = path.split("{}")
    return first + emulator.project_id * bool(others) + str(uuid4()).join(others)


@pytest.mark.parametrize("path", EMULATED)
@pytest.mark.parametrize("credentials", [None, "Token dgemu_wrong", "Bearer {key}", "{key}", "Token"])
async def test_only_the_emulators_key_as_token_gets_in(emulator: Emulator, path: str, credentials: str | None) -> None:
    authorization = credentials and credentials.format(key=emulator.api_key)
    reply = await ask(emulator, filled(path, emulator), authorization=authorization)
    assert reply.refusal() == (401, "INVALID_AUTH")
    assert reply.json["err_msg"].startswith("Invalid credentials.")


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer"])
async def test_key_of_somebody_else_is_told_where_it_is_and_never_echoed(emulator: Emulator, scheme: str) -> None:
    reply = await ask(emulator, "/v1/projects", authorization=f"{scheme} 0123456789secret")
    assert reply.refusal() == (401, "INVALID_AUTH")
    assert "emulator" in reply.json["err_msg"]
    assert "secret" not in f"{reply}"


async def test_wrong_key_of_ours_is_told_no_more_than_at_the_vendor(emulator: Emulator) -> None:
    reply = await ask(emulator, "/v1/projects", authorization="Token dgemu_wrong")
    assert reply.json["err_msg"] == "Invalid credentials."


async def test_the_keys_only_project(emulator: Emulator) -> None:
    reply = await ask(emulator, "/v1/projects", authorization=f"token {emulator.api_key}")
    check(reply.json, "ListProjectsV1Response")
    (project,) = reply.json["projects"]
    assert project["project_id"] == emulator.project_id
    assert await get(emulator, "") == {**project, "mip_opt_out": False}


@pytest.mark.parametrize("path", [path for path in EMULATED if "{}" in path])
async def test_unknown_project_is_404(emulator: Emulator, path: str) -> None:
    reply = await ask(emulator, path.replace("{}", str(uuid4())))
    assert reply.refusal() == (404, "PROJECT_NOT_FOUND")


@pytest.mark.parametrize("bad", ["x", "0", "00000000-0000-0000-0000-00000000000g", "%00"])
@pytest.mark.parametrize("path", ["/v1/projects/{}", "/v1/projects/{}/requests", f"{PROJECT}/requests/{{}}"])
async def test_bad_uuid_is_404_in_plain_text(emulator: Emulator, path: str, bad: str) -> None:
    reply = await ask(emulator, path.replace("{}", bad))
    assert (reply.status, reply.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert reply.body.startswith(b"UUID parsing failed: ")


@pytest.mark.parametrize(("kind", "code"), [("requests", "REQUEST_NOT_FOUND"), ("balances", "BALANCE_NOT_FOUND")])
async def test_unknown_request_or_balance_is_404(emulator: Emulator, kind: str, code: str) -> None:
    assert (await ask(emulator, f"{PROJECT}/{kind}/{uuid4()}")).refusal() == (404, code)


async def test_project_id_is_known_in_capitals(emulator: Emulator) -> None:
    assert (await ask(emulator, f"/v1/projects/{emulator.project_id.upper()}")).status == 200


@pytest.mark.parametrize("path", sorted(set(VENDOR["paths"]) - set(EMULATED)))
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_what_only_the_vendor_has_says_so_whoever_asks(emulator: Emulator, path: str, method: str) -> None:
    reply = await ask(emulator, filled(path, emulator), method=method, authorization=None)
    assert reply.refusal() == (501, "NOT_IMPLEMENTED")


async def test_every_path_of_the_vendor_is_known() -> None:
    assert sorted([*EMULATED, *rest.NOT_EMULATED]) == VENDOR["paths"]


@pytest.mark.parametrize("path", ["/", "/x", "/v1", "/v1/projects/", f"{PROJECT}/x", f"{PROJECT}//requests", "*"])
async def test_unknown_path_is_404(emulator: Emulator, path: str) -> None:
    assert (await ask(emulator, path)).refusal() == (404, "NOT_FOUND")
    assert (await ask(emulator, path, method="DELETE", authorization=None)).refusal() == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", EMULATED)
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
async def test_nothing_is_changed_here(emulator: Emulator, path: str, method: str) -> None:
    reply = await ask(emulator, filled(path, emulator), method=method)
    assert reply.refusal() == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == "GET, HEAD"


async def test_every_answer_has_an_id_of_its_own(emulator: Emulator) -> None:
    ids = {(await ask(emulator, path)).headers["dg-request-id"] for path in ["/v1/projects", "/v1/projects", "/x"]}
    assert len(ids) == 3
