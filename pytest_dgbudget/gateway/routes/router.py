"""Who answers a request, by its path."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.credentials import read_credentials
from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.handshake import NoHandshake
from pytest_dgbudget.gateway.log import log
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.routes.auth_grant import AuthGrantRoute
from pytest_dgbudget.gateway.routes.bypass import BypassRoute
from pytest_dgbudget.gateway.routes.callers import Callers
from pytest_dgbudget.gateway.routes.cors import is_preflight, preflight_answer
from pytest_dgbudget.gateway.routes.paths import VendorPath, plain, vendor_path
from pytest_dgbudget.gateway.routes.rest import RestRoute
from pytest_dgbudget.gateway.routes.sessions import SessionRoute
from pytest_dgbudget.gateway.routes.unmetered import Unmetered
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.services.service import Service
from pytest_dgbudget.gateway.targets.target import Target
from pytest_dgbudget.gateway.upstream import DialFailed
from pytest_dgbudget.model import OtherTarget
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.answers import response
from pytest_dgbudget.protocol.codes import BYPASS_PATH, GRANT_PATH

if TYPE_CHECKING:  # loaded where something is replayed
    from pytest_dgbudget.gateway.targets.replay import Replays

_INTERNAL = RequestRefused(500, codes.INTERNAL, "the gateway failed; its log says more")


class NothingThere(RequestRefused):
    """No route serves this."""


class Router:
    """Hands each request to its route, and answers what a route refuses.

    ``run`` returns the run once the ledger is open, and raises what kept it from opening.
    """

    def __init__(
        self,
        services: Sequence[Service],
        run: Callable[[], Awaitable[Run]],
        callers: Callers,
        unmetered: Unmetered,
        sessions: SessionRoute,
        auth_grant: AuthGrantRoute,
        bypass: BypassRoute,
        rest: RestRoute,
    ) -> None:
        self._services = {path: service for service in services for path in service.paths}
        self._served = [service.paths[0] for service in services]
        self._run = run
        self._callers = callers
        self._unmetered = unmetered
        self._sessions = sessions
        self._auth_grant = auth_grant
        self._bypass = bypass
        self._rest = rest

    async def serve(self, exchange: Exchange) -> None:
        """Answer a request, or hand its connection to a relay."""
        try:
            await self._route(exchange)
        except NothingThere as nothing_there:
            await self.refuse(exchange, nothing_there)
        except RequestRefused as refused:
            await exchange.answer(refused.answer())
        except NoHandshake as no_handshake:
            await exchange.answer(no_handshake.response.serialize())
        except DialFailed as failed:
            await exchange.answer(response(failed.status, failed.headers, failed.body))
        except LedgerError as error:
            await exchange.answer(RequestRefused(503, codes.LEDGER, str(error)).answer())
        except Exception as error:
            log(error)
            await exchange.answer(_INTERNAL.answer())

    async def refuse(self, exchange: Exchange, refused: RequestRefused) -> None:
        """Refuse a request that no route has looked at, and tell the test whose token it shows."""
        with contextlib.suppress(LedgerError):
            await self._callers.tell(
                await self._run(), read_credentials(exchange.request).token, refused, exchange.gone
            )
        await exchange.answer(refused.answer())

    async def _route(self, exchange: Exchange) -> None:
        request, asked = exchange.request, vendor_path(exchange.request.path)
        service = self._services.get(plain(asked.path))
        if asked.host is not None and self._unmetered.hosts.find(asked.host) is None:
            raise self._not_found(exchange, f"{asked.host} is none of the vendor's hosts")
        if is_preflight(request) and self._is_for_pages(asked):
            await exchange.answer(preflight_answer(request))
        elif service is not None and request.is_websocket:
            await self._sessions.serve(await self._run(), service, exchange)
        elif service is not None and asked.host is None:
            raise self._not_found(exchange, "this is no upgrade")
        elif (request.method, plain(asked.path)) == ("POST", GRANT_PATH):
            await self._auth_grant.serve(await self._run(), exchange, read_credentials(request).token)
        elif (request.method, request.path) == ("POST", BYPASS_PATH):
            await self._bypass.serve(await self._run(), exchange, read_credentials(request).token)
        elif asked.is_vendors:
            await self._rest.serve(await self._run(), exchange, asked, read_credentials(request))
        else:
            raise self._not_found(exchange, "nothing here")

    def _is_for_pages(self, asked: VendorPath) -> bool:
        return plain(asked.path) == GRANT_PATH or (asked.is_vendors and self._unmetered.allowed)

    def _not_found(self, exchange: Exchange, why: str) -> NothingThere:
        port = exchange.transport.get_extra_info("sockname")[1]
        served = " or ".join(f"ws://127.0.0.1:{port}{path}" for path in self._served)
        return NothingThere(404, codes.NOT_FOUND, f"{why}; open a WebSocket at {served}")


def router_of(
    run_config: RunConfig,
    api_key: str | None,
    services: Sequence[Service],
    run: Callable[[], Awaitable[Run]],
    target: Callable[[OtherTarget | None], Awaitable[Target]],
    unmetered: Unmetered,
    replays: Replays | None = None,
) -> Router:
    """Return the router of a run; ``target`` returns where an attempt is dialled, ``replays`` what is not."""
    callers = Callers(run_config, api_key)
    return Router(
        services,
        run,
        callers,
        unmetered,
        SessionRoute(callers, target, replays),
        AuthGrantRoute(callers),
        BypassRoute(callers),
        RestRoute(callers, unmetered.hosts, unmetered, target),
    )
