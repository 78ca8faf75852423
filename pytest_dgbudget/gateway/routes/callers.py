"""Whom a request comes from: the token that it shows, and what is told of one that shows none of ours."""

from __future__ import annotations

import asyncio
import contextlib
from hmac import compare_digest

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.gateway.bearers import ClientLeft, Spender
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.codes import WRONG_CREDENTIAL_PREFIX

_NO_TOKEN = "no token; a test's comes from voice_agent.endpoint"
_UNKNOWN = "no such token; a test's comes from voice_agent.endpoint and ends with the test"
_EXPIRED = "this token of auth/grant has expired; mint one for each session"
_MINTS_NONE = "a token of auth/grant mints no other: show voice_agent.endpoint.api_key"
_MANAGES_NOTHING = "the management API takes no token of auth/grant: show voice_agent.endpoint.api_key"
_REAL_KEY = (
    "a client showed the real API key, which nobody needs here: have it read DEEPGRAM_API_KEY while the test runs, or "
    "give it voice_agent.endpoint.api_key"
)
# The vendor's own words for a key that it does not know (its page "Errors").
_INVALID = "Invalid credentials."
_INVALID_TOLD = f"{_INVALID} The client showed neither a key nor a token: have it use DEEPGRAM_API_KEY"


class Callers:
    """Finds the grant that a token means now. ``api_key`` is the real key, which is worth nothing here."""

    def __init__(self, run_config: RunConfig, api_key: str | None) -> None:
        self._is_live = run_config.is_live
        self._api_key = api_key or ""

    async def find(self, run: Run, shown: str, gone: asyncio.Future[None]) -> Spender:
        """Return whose grant it spends by; raises RequestRefused or ClientLeft.

        The test that runs, or the run, is told of strangers.
        """
        token = shown.removeprefix(WRONG_CREDENTIAL_PREFIX)
        minted = run.minted.find(token)
        found = token if minted is None else minted.minter
        try:
            spender = None if minted is not None and minted.has_expired else await run.find(found, gone)
        except RequestRefused as refused:
            run.strangers.note_without_test(refused)
            raise
        if spender is None:
            raise self._unauthorized(run, token)
        if token != shown and self.is_dialled_live(spender.grant):
            spender.grant.note_refusal(401, codes.INVALID_AUTH, _INVALID_TOLD)
            raise RequestRefused(401, codes.INVALID_AUTH, _INVALID)
        return spender

    async def minter(self, run: Run, shown: str) -> str:
        """Return the token by which others may be minted; raises RequestRefused."""
        token = await self._known(run, shown)
        if run.minted.find(token) is not None:
            raise RequestRefused(401, codes.UNAUTHORIZED, _MINTS_NONE)
        return token

    async def of_rest(self, run: Run, shown: str, gone: asyncio.Future[None], *, manages: bool) -> Grant | None:
        """Return the grant that a token means now, None where it is valid and means none; raises RequestRefused.

        ``manages``: this is the management API, which takes no temporary token.
        """
        token = await self._known(run, shown)
        minted = run.minted.find(token)
        if minted is not None and manages:
            raise RequestRefused(401, codes.UNAUTHORIZED, _MANAGES_NOTHING)
        try:
            spender = await run.find(token if minted is None else minted.minter, gone)
        except RequestRefused:
            return None
        return None if spender is None else spender.grant

    async def tell(self, run: Run, shown: str, refused: RequestRefused, gone: asyncio.Future[None]) -> None:
        """Tell a test of a refusal that its client met, if a test of ours it is."""
        with contextlib.suppress(RequestRefused, ClientLeft):
            spender = await run.find(shown.removeprefix(WRONG_CREDENTIAL_PREFIX), gone)
            if spender is not None:
                spender.grant.note_refusal(refused.status, refused.code, refused.message)

    async def _known(self, run: Run, shown: str) -> str:
        """Return the token that was shown; raises RequestRefused where it means nothing (any more)."""
        token = shown.removeprefix(WRONG_CREDENTIAL_PREFIX)
        minted = run.minted.find(token)
        if (minted is not None and minted.has_expired) or not await run.knows(minted.minter if minted else token):
            raise self._unauthorized(run, token)
        if token != shown and self._is_live:
            run.strangers.note(401, codes.INVALID_AUTH, _INVALID_TOLD)
            raise RequestRefused(401, codes.INVALID_AUTH, _INVALID)
        return token

    def is_dialled_live(self, grant: Grant | None) -> bool:
        """Return whether what comes from there goes to the vendor itself; None: it comes from no test."""
        return self._is_live and (grant is None or grant.attempt.target is None)

    def _unauthorized(self, run: Run, token: str) -> RequestRefused:
        refused = RequestRefused(401, codes.UNAUTHORIZED, self._what_is_wrong(run, token))
        told = _REAL_KEY if self._is_real_key(token) else refused.message
        run.strangers.note(refused.status, refused.code, told)
        return refused

    def _what_is_wrong(self, run: Run, token: str) -> str:
        if not token:
            return _NO_TOKEN
        minted = run.minted.find(token)
        if minted is not None and minted.has_expired:
            return _EXPIRED
        over = run.bearers.test_that_is_over(token)
        return _UNKNOWN if over is None else _is_over(over)

    def _is_real_key(self, token: str) -> bool:
        shown, key = (text.encode("utf-8", "surrogatepass") for text in (token, self._api_key))
        return bool(key) and compare_digest(shown, key)


def _is_over(nodeid: str) -> str:
    return f"a client came with a token of {nodeid}, which is over: does the application outlive its test?"
