"""What is no session: the emulator's API, what belongs to agents, and, with dg_pass_other, everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from pytest_dgbudget.gateway.credentials import Credentials
from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.passing.dial import open_stream
from pytest_dgbudget.gateway.passing.request import Passage, pass_request
from pytest_dgbudget.gateway.refusals import RequestRefused, told_to
from pytest_dgbudget.gateway.routes.callers import Callers
from pytest_dgbudget.gateway.routes.paths import VendorPath
from pytest_dgbudget.gateway.routes.unmetered import Unmetered
from pytest_dgbudget.gateway.routes.vendor_hosts import VendorHosts
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.targets.target import Target, TargetLost
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.gateway.upstream import DialLost
from pytest_dgbudget.model import ApiAccess, OtherTarget
from pytest_dgbudget.protocol import codes

_NO_API = "no management API is known for this agent URL: name it with --dg-api-url"


class RestRoute:
    """Passes requests on to where they belong. ``target`` returns where an attempt is dialled; raises TargetLost."""

    def __init__(
        self,
        callers: Callers,
        hosts: VendorHosts,
        unmetered: Unmetered,
        target: Callable[[OtherTarget | None], Awaitable[Target]],
    ) -> None:
        self._callers = callers
        self._hosts = hosts
        self._unmetered = unmetered
        self._target = target

    async def serve(self, run: Run, exchange: Exchange, asked: VendorPath, credentials: Credentials) -> None:
        """Answer with what the vendor or its emulator says; raises RequestRefused, DialFailed or NoHandshake."""
        grant = await self._callers.of_rest(run, credentials.token, exchange.gone, manages=asked.is_management)
        exchange.identified()
        with nullcontext() if grant is None else told_to(grant):
            try:
                await self._pass(exchange, asked, credentials, grant)
            except TargetLost as lost:
                raise RequestRefused(502, lost.code, str(lost)) from None
            except DialLost as lost:
                raise RequestRefused(lost.status, lost.code, f"what is asked can't be reached: {lost.reason}") from None

    async def _pass(self, exchange: Exchange, asked: VendorPath, credentials: Credentials, grant: Grant | None) -> None:
        method = exchange.request.method
        if exchange.request.is_websocket:
            await self._unmetered.pass_socket(exchange, asked, credentials)
        elif asked.is_management and not self._callers.is_dialled_live(grant):
            access = await self._access(grant)
            await _pass_on(exchange, _passage(access.api_url, access.key, asked, credentials))
        elif asked.is_agent_rest(method) and self._callers.is_dialled_live(grant):
            access = await self._access(grant)
            await _pass_on(exchange, _passage(self._base_of(asked), access.key, asked, credentials))
        else:
            await self._unmetered.pass_request(exchange, asked, credentials)

    async def _access(self, grant: Grant | None) -> ApiAccess:
        """Return the API of where this is dialled; raises TargetLost or RequestRefused."""
        access = (await self._target(None if grant is None else grant.attempt.target)).access
        if access is None:
            raise RequestRefused(501, codes.NOT_METERED, _NO_API)
        return access

    def _base_of(self, asked: VendorPath) -> str:
        """Return where what belongs to agents is asked for: the host that was named, or the one that has it."""
        if asked.host is not None:
            return self._hosts.find(asked.host) or ""
        is_of_project = asked.path.startswith("/v1/projects/")
        return (self._hosts.api_base or "") if is_of_project else self._hosts.agent_base


async def _pass_on(exchange: Exchange, passage: Passage) -> None:
    await pass_request(exchange, await open_stream(passage.url), passage)


def _passage(base: str, key: str, asked: VendorPath, credentials: Credentials) -> Passage:
    return Passage(url=base + asked.path, key=key, secrets=Secrets(key, credentials.token))
