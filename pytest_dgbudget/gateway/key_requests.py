"""Making and deleting a run's keys at the vendor: within seconds, and with the given key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.gateway.vendor_requests import ask_within
from pytest_dgbudget.model import ApiAccess
from pytest_dgbudget.rules.run_keys import TTL_SECONDS, comment_of

if TYPE_CHECKING:  # loaded on use: it brings urllib3
    from pytest_dgbudget.deepgram.keys import KeysApi, MadeKey

R = TypeVar("R")

# How long a session waits for its key: clients give up opening after 10 s.
_MAKE_SECONDS = 5.0
_DELETE_SECONDS = 3.0


class KeyRequests:
    """Requests about the keys of one run; each raises ReconciliationError, also when it takes too long."""

    def __init__(self, run_config: RunConfig, access: ApiAccess | None) -> None:
        self._run_config = run_config
        self._access = access

    async def make(self) -> MadeKey:
        """Make a key."""
        return await self._ask(self._make, _MAKE_SECONDS)

    async def delete(self, key_ids: Sequence[str]) -> None:
        """Delete keys; those that are not there count as deleted."""
        await self._ask(partial(_delete, key_ids), _DELETE_SECONDS)

    def _make(self, api: KeysApi, timeout: Timeout) -> MadeKey:
        made = api.make(
            comment=comment_of(self._run_config.run_id),
            tags=[self._run_config.tag],
            scopes=self._run_config.run_key_scopes,
            ttl_seconds=TTL_SECONDS,
        )
        if not timeout.left():  # The name took longer to look up than anybody waits: nobody will use the key.
            assert self._access is not None
            _with_api(partial(_delete, [made.id]), self._access, Timeout(_DELETE_SECONDS))
        return made

    async def _ask(self, call: Callable[[KeysApi, Timeout], R], seconds: float) -> R:
        return await ask_within(seconds, self._access, partial(_with_api, call), "run-key")


def _with_api(call: Callable[[KeysApi, Timeout], R], access: ApiAccess, timeout: Timeout) -> R:
    from pytest_dgbudget.deepgram.keys import KeysApi

    api = KeysApi(access, timeout)
    api.find_project()
    return call(api, timeout)


def _delete(key_ids: Sequence[str], api: KeysApi, _: Timeout) -> None:
    for key_id in key_ids:
        api.delete(key_id)
