"""The vendor itself, with the user's key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.run_keys import RunKey
from pytest_dgbudget.gateway.services.service import AskSkipped, Service
from pytest_dgbudget.gateway.targets.target import Addresses
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.model import ApiAccess


class LiveTarget:
    """A vendor at these URLs, by the names of its services."""

    def __init__(self, urls: Mapping[str, str], key: str, access: ApiAccess | None) -> None:
        self.access = access
        self._addresses = Addresses(urls, key)

    async def dial(
        self,
        service: Service,
        request: Request,
        subprotocols: Sequence[str],
        grant: Grant,
        run_key: RunKey | None = None,
    ) -> Upstream:
        return await self._addresses.dial(service, request, subprotocols, {}, run_key)

    def ask_skipped(self, grant: Grant) -> AskSkipped | None:
        """Nothing is skipped there."""
        return None

    async def stop(self) -> None:
        """Nothing of the vendor's is ours to end."""
