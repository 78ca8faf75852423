"""Keys: made, listed, used, expired, deleted; and what each may do."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import CAN_DO_ALL, PROJECT, VENDOR, ask, call, filled, get, make_key, rows, use_key
from tests.support.emulator_client import refusal

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
MISSING_SCOPE = "Your account does not have the required scope to perform that action for this project."


async def test_new_key_is_of_the_emulators_kind_and_can_be_asked_for(emulator: Emulator) -> None:
    made = await make_key(emulator, comment="ci", scopes=["member"], tags=["a", "b"])
    assert made["key"].startswith("dgemu_")
    assert made["key"] != emulator.api_key
    assert (made["comment"], made["scopes"], made["tags"]) == ("ci", ["member"], ["a", "b"])
    assert "expiration_date" not in made
    member = (await get(emulator, f"/keys/{made['api_key_id']}"))["item"]["member"]
    api_key = member["api_key"]
    assert {**made, "created": api_key["created"]} == {**api_key, "key": made["key"]}
    assert made["key"] not in json.dumps(member)


async def test_list_has_every_key_and_no_secret(emulator: Emulator) -> None:
    made = await make_key(emulator)
    listed = await get(emulator, "/keys")
    assert [each["api_key"]["comment"] for each in listed["api_keys"]] == ["the emulator's own key", "c"]
    assert listed["api_keys"][1]["api_key"]["api_key_id"] == made["api_key_id"]
    assert len({each["member"]["member_id"] for each in listed["api_keys"]}) == 1
    assert not [secret for secret in (emulator.api_key, made["key"]) if secret in json.dumps(listed)]


async def test_deleted_key_opens_nothing_and_is_gone(emulator: Emulator) -> None:
    made = await make_key(emulator)
    path = f"{PROJECT}/keys/{made['api_key_id']}"
    assert (await call(emulator, "DELETE", path))["message"]
    assert (await ask(emulator, path)).refusal() == (404, "KEY_NOT_FOUND")
    assert len((await get(emulator, "/keys"))["api_keys"]) == 1
    reply = await ask(emulator, "/v1/projects", authorization=f"Token {made['key']}")
    assert reply.refusal() == (401, "INVALID_AUTH")
    _, body = await refusal(emulator.agent_url, additional_headers={"Authorization": f"Token {made['key']}"})
    assert body["err_code"] == "INVALID_AUTH"


@pytest.mark.parametrize(
    ("expiry", "date"),
    [
        ({"time_to_live_in_seconds": 60}, "2026-11-23T12:01:00.000Z"),
        ({"expiration_date": "2026-11-23T12:01:00Z"}, "2026-11-23T12:01:00.000Z"),
        ({"expiration_date": "2026-11-23T13:01:00+01:00"}, "2026-11-23T12:01:00.000Z"),
    ],
)
async def test_key_works_until_it_expires(expiry: dict[str, Any], date: str) -> None:
    clock = Clock(start=NOON, speed=0)
    async with Emulator(clock=clock) as emulator:
        made = await make_key(emulator, **expiry)
        assert made["expiration_date"] == date
        clock.advance(59)
        assert (await ask(emulator, "/v1/projects", authorization=f"Token {made['key']}")).status == 200
        assert await statuses(emulator) == {"active": 2, "expired": 0, None: 2}
        clock.advance(1)
        reply = await ask(emulator, "/v1/projects", authorization=f"Token {made['key']}")
        assert reply.refusal() == (401, "INVALID_AUTH")
        assert await statuses(emulator) == {"active": 1, "expired": 1, None: 2}
        assert (await get(emulator, f"/keys/{made['api_key_id']}"))["item"]["member"]["api_key"]["comment"] == "c"


async def statuses(emulator: Emulator) -> dict[str | None, int]:
    """How many keys there are of each status, and at all."""
    asked: list[dict[str, str]] = [{"status": "active"}, {"status": "expired"}, {}]
    return {each.get("status"): len((await get(emulator, "/keys", **each))["api_keys"]) for each in asked}


async def test_usage_is_the_keys_and_carries_its_tags() -> None:
    async with Emulator(settlement_lag=0) as emulator:
        made = await make_key(emulator, scopes=["usage:write"], tags=["run-7", "ci"])
        await use_key(emulator, emulator.api_key, "ci")
        await use_key(emulator, made["key"], "smoke", "ci")
        newest, _ = await rows(emulator, 2)
        assert newest["api_key_id"] == made["api_key_id"]
        assert newest["response"]["details"]["tags"] == ["run-7", "ci", "smoke"]
        (of_the_key,) = (await get(emulator, "/usage/breakdown", accessor=made["api_key_id"]))["results"]
        assert of_the_key["requests"] == 1
        results = (await get(emulator, "/billing/breakdown", grouping="accessor"))["results"]
        assert len({each["grouping"]["accessor"] for each in results}) == 2


@pytest.mark.parametrize(
    ("body", "starts"),
    [
        ({"scopes": ["owner"]}, "comment "),
        ({"comment": "", "scopes": ["owner"]}, "comment "),
        ({"comment": 1, "scopes": ["owner"]}, "comment "),
        ({"comment": "c"}, "scopes "),
        ({"comment": "c", "scopes": []}, "scopes "),
        ({"comment": "c", "scopes": "owner"}, "scopes "),
        ({"comment": "c", "scopes": [1]}, "scopes "),
        ({**CAN_DO_ALL, "tags": [""]}, "tags "),
        ({**CAN_DO_ALL, "tags": ["x" * 129]}, "tags "),
        ({**CAN_DO_ALL, "tags": {"a": "b"}}, "tags "),
        ({**CAN_DO_ALL, "time_to_live_in_seconds": 0}, "time_to_live_in_seconds "),
        ({**CAN_DO_ALL, "time_to_live_in_seconds": 1.5}, "time_to_live_in_seconds "),
        ({**CAN_DO_ALL, "time_to_live_in_seconds": True}, "time_to_live_in_seconds "),
        ({**CAN_DO_ALL, "time_to_live_in_seconds": 10**300}, "time_to_live_in_seconds "),
        ({**CAN_DO_ALL, "time_to_live_in_seconds": 10**400}, "time_to_live_in_seconds "),
        ({**CAN_DO_ALL, "expiration_date": "tomorrow"}, "expiration_date "),
        ({**CAN_DO_ALL, "expiration_date": "2026-11-01T00:00:00Z"}, "expiration_date "),
        ({**CAN_DO_ALL, "expiration_date": "9999-12-31T23:59:59-23:00"}, "expiration_date "),
        (
            {**CAN_DO_ALL, "expiration_date": "2099-01-01T00:00:00Z", "time_to_live_in_seconds": 60},
            "time_to_live_in_seconds ",
        ),
    ],
)
async def test_bad_field_is_400_and_named_and_makes_no_key(body: Any, starts: str) -> None:
    async with Emulator(clock=Clock(start=NOON)) as emulator:
        reply = await ask(emulator, f"{PROJECT}/keys", method="POST", body=json.dumps(body).encode())
        assert reply.refusal() == (400, "Bad Request")
        assert reply.json["err_msg"].startswith(starts)
        assert len((await get(emulator, "/keys"))["api_keys"]) == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b'{"comment": NaN}', b"[" * 60_000])
@pytest.mark.parametrize("path", [f"{PROJECT}/keys", "/v1/auth/grant"])
async def test_body_that_is_not_a_json_object_is_400_in_the_newer_form(
    emulator: Emulator, path: str, body: bytes
) -> None:
    reply = await ask(emulator, path, method="POST", body=body)
    assert reply.refusal() == (400, "INVALID_JSON")
    assert reply.json["details"]


async def test_at_most_250_temporary_keys_are_made_a_day_and_deleting_one_makes_no_room() -> None:
    clock = Clock(start=NOON)
    async with Emulator(clock=clock) as emulator:
        made = [await make_key(emulator, time_to_live_in_seconds=60) for _ in range(250)]
        await call(emulator, "DELETE", f"{PROJECT}/keys/{made[0]['api_key_id']}")
        body = json.dumps({**CAN_DO_ALL, "time_to_live_in_seconds": 60}).encode()
        reply = await ask(emulator, f"{PROJECT}/keys", method="POST", body=body)
        assert reply.refusal() == (429, "TOO_MANY_REQUESTS")
        assert (await make_key(emulator))["key"]
        clock.advance(12 * 3600)
        assert (await make_key(emulator, time_to_live_in_seconds=60))["key"]


# Scopes ---------------------------------------------------------------------------------------------------------------

NEEDS_NONE = {"GET /v1/models", "GET /v1/models/{}", "GET /v1/projects"}
SCOPES = {
    "project:read": {"GET /v1/projects/{}", "GET /v1/projects/{}/models", "GET /v1/projects/{}/models/{}"},
    "usage:read": {
        "GET /v1/projects/{}/requests",
        "GET /v1/projects/{}/requests/{}",
        "GET /v1/projects/{}/usage/breakdown",
        "GET /v1/projects/{}/usage/fields",
    },
    "billing:read": {
        "GET /v1/projects/{}/balances",
        "GET /v1/projects/{}/balances/{}",
        "GET /v1/projects/{}/billing/breakdown",
        "GET /v1/projects/{}/billing/fields",
    },
    "keys:read": {"GET /v1/projects/{}/keys", "GET /v1/projects/{}/keys/{}"},
    "keys:write": {"POST /v1/projects/{}/keys", "DELETE /v1/projects/{}/keys/{}"},
    "usage:write": set(),
}
GRANT = "POST /v1/auth/grant"
ROLES = {
    "member": set(SCOPES) - {"billing:read"},
    "admin": set(SCOPES),
    "owner": set(SCOPES),
}


async def allowed(emulator: Emulator, *scopes: str) -> set[str]:
    """The operations that a key with these scopes is not refused."""
    made = await make_key(emulator, scopes=list(scopes))
    found = set()
    for operation in VENDOR["answers"]:
        method, path = operation.split()
        credentials = f"Token {made['key']}"
        reply = await ask(emulator, filled(path, emulator), method=method, authorization=credentials)
        assert reply.status in (200, 400, 403, 404)
        found |= {operation} if reply.status != 403 else set()
    return found


@pytest.mark.parametrize("scope", SCOPES)
async def test_each_scope_opens_its_own_operations_and_no_other(emulator: Emulator, scope: str) -> None:
    assert await allowed(emulator, scope) == NEEDS_NONE | SCOPES[scope]


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_has_the_scopes_that_the_vendor_lists(emulator: Emulator, role: str) -> None:
    assert await allowed(emulator, role) == {GRANT, *NEEDS_NONE}.union(*(SCOPES[scope] for scope in ROLES[role]))


async def test_scopes_of_the_tests_cover_every_operation() -> None:
    assert {GRANT, *NEEDS_NONE}.union(*SCOPES.values()) == set(VENDOR["answers"])


async def test_missing_scope_is_the_vendors_403_which_names_it(emulator: Emulator) -> None:
    made = await make_key(emulator, scopes=["usage:write"])
    reply = await ask(emulator, f"{PROJECT}/requests", authorization=f"Token {made['key']}")
    assert reply.refusal() == (403, "INSUFFICIENT_PERMISSIONS")
    assert reply.json["message"] == MISSING_SCOPE
    assert reply.json["details"] == "Check that your account has the 'usage:read' scope for this project."


async def test_key_below_member_grants_no_token(emulator: Emulator) -> None:
    made = await make_key(emulator, scopes=["usage:read", "usage:write", "keys:write"])
    reply = await ask(emulator, "/v1/auth/grant", method="POST", authorization=f"Token {made['key']}")
    assert reply.refusal() == (403, "FORBIDDEN")
    assert reply.json["err_msg"] == "Insufficient permissions."


async def test_key_without_usage_write_opens_no_session(emulator: Emulator) -> None:
    made = await make_key(emulator, scopes=["usage:read"])
    response, body = await refusal(emulator.agent_url, additional_headers={"Authorization": f"Token {made['key']}"})
    assert (response.status_code, body["err_code"]) == (401, "INSUFFICIENT_PERMISSIONS")
    assert body["err_msg"] == "User does not have sufficient permissions."
