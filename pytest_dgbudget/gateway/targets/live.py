"""The vendor as the gateway knows it: where to dial, with which key, and whose statement to ask for."""

from __future__ import annotations

from urllib.parse import quote

from pytest_dgbudget.deepgram.access import ApiAccess
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost
from pytest_dgbudget.protocol.codes import GRANT_HEADER, SCENARIO_HEADER


class Vendor:
    """Where sessions are dialled, with which key, and whose statement has them; None where nobody knows.

    The emulator's come to be known when it has started; ``emulated``: it is told which grant dials, and what to play.
    """

    def __init__(self, url: str, key: str, access: ApiAccess | None, *, emulated: bool = False) -> None:
        self.url = url
        self.access = access
        self.emulated = emulated
        self._key = key

    def without_key(self, failed: DialFailed) -> DialFailed:
        """Return a refusal as it is to be passed on: whatever the vendor repeats, the key stays here."""
        failed.body = failed.body.replace(self._key.encode(), b"***")
        failed.headers = [(self.hide_key(name), self.hide_key(value)) for name, value in failed.headers]
        if isinstance(failed, DialLost):
            failed.reason = self.hide_key(failed.reason)
        return failed

    def hide_key(self, text: str) -> str:
        return text.replace(self._key, "***")

    def headers(self, request: Request, grant: Grant) -> dict[str, str]:
        passed = {name: value for name, value in request.headers if name.startswith("x-deepgram-")}
        ours = _for_emulator(grant) if self.emulated else {}
        return {**passed, **ours, "Authorization": f"Token {self._key}"}


def _for_emulator(grant: Grant) -> dict[str, str]:
    named = {GRANT_HEADER: grant.attempt.id}
    if grant.asked.scenario is not None:
        named[SCENARIO_HEADER] = quote(grant.asked.scenario)
    return named
