"""``POST /v1/auth/grant``: temporary tokens, made here. The vendor is not asked: its own would spend unmetered."""

from __future__ import annotations

import json
from typing import NoReturn

from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.routes.callers import Callers
from pytest_dgbudget.gateway.routes.cors import cors_headers
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.answers import response

_TTL_SECONDS = 30  # the vendor's default (its OpenAPI file of 2026-07-22)
_LONGEST_TTL_SECONDS = 3600  # as an older official SDK checked it; the OpenAPI file has no limit
_LONGEST_BODY = 64 * 1024


class AuthGrantRoute:
    """Makes tokens that mean what the token means by which they are asked for."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def serve(self, run: Run, exchange: Exchange, shown: str) -> None:
        """Answer with a token; raises RequestRefused."""
        minter = await self._callers.minter(run, shown)
        exchange.identified()
        headers = cors_headers(exchange.request)
        try:
            seconds = _ttl(await exchange.stream().body(_LONGEST_BODY))
        except _Unfit as unfit:
            raise RequestRefused(400, codes.BAD_REQUEST, str(unfit), headers=headers) from None
        token = run.minted.mint(minter, int(seconds * 1000))
        body = json.dumps({"access_token": token, "expires_in": seconds}).encode()
        await exchange.answer(response(200, [("Content-Type", "application/json"), *headers], body))


class _Unfit(Exception):
    """The body asks for no time to live that there can be."""


def _ttl(body: bytes | None) -> float:
    if body is None:
        raise _Unfit(f"the body is longer than {_LONGEST_BODY} bytes")
    asked = _fields(body).get("ttl_seconds")
    if asked is None:
        return _TTL_SECONDS
    if isinstance(asked, bool) or not isinstance(asked, (int, float)):
        raise _Unfit("ttl_seconds must be a number")
    if not 1 <= asked <= _LONGEST_TTL_SECONDS:
        raise _Unfit(f"ttl_seconds must be 1 to {_LONGEST_TTL_SECONDS}")
    return asked


def _fields(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body, parse_constant=_not_json) if body.strip() else {}
    except (ValueError, RecursionError):
        raise _Unfit("the body is not JSON") from None
    if not isinstance(fields, dict):
        raise _Unfit("the body must be a JSON object")
    return fields


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
