"""Sessions of a service: metered from their dial on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.bearers import ClientLeft, Spender
from pytest_dgbudget.gateway.credit import CreditMissing
from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.handshake import accepted, complete
from pytest_dgbudget.gateway.leases import BudgetRefused
from pytest_dgbudget.gateway.opens_no_more import GatewayLost
from pytest_dgbudget.gateway.refusals import RequestRefused, told_to
from pytest_dgbudget.gateway.returning import SessionClient, client_of
from pytest_dgbudget.gateway.routes.callers import Callers
from pytest_dgbudget.gateway.run import TEST_IS_OVER, Run
from pytest_dgbudget.gateway.run_keys import RunKey, RunKeyMissing, RunKeyRefused, may_lack_scope, no_run_key
from pytest_dgbudget.gateway.services.service import Service
from pytest_dgbudget.gateway.sessions import Cut, MeteredSession
from pytest_dgbudget.gateway.targets.target import Target, TargetLost
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost, Upstream
from pytest_dgbudget.model import OtherTarget
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.rules.attempts import was_cut
from pytest_dgbudget.rules.budget import describe

if TYPE_CHECKING:  # loaded where something is replayed
    from pytest_dgbudget.gateway.targets.replay import Replay, Replays


class SessionRoute:
    """Opens sessions. ``target`` returns where an attempt is dialled, once that is known; raises TargetLost.

    ``replays`` says which are replayed instead; None: none are.
    """

    def __init__(
        self,
        callers: Callers,
        target: Callable[[OtherTarget | None], Awaitable[Target]],
        replays: Replays | None = None,
    ) -> None:
        self._callers = callers
        self._target = target
        self._replays = replays

    async def serve(self, run: Run, service: Service, exchange: Exchange) -> None:
        """Open a session and hand the connection to its relay; raises RequestRefused, DialFailed, NoHandshake."""
        token = service.credentials(exchange.request).token
        try:
            spender = await self._callers.find(run, token, exchange.gone)
            exchange.identified()
            with told_to(spender.grant), _refusals():
                await self._open(run, spender, service, exchange)
        except ClientLeft:
            raise RequestRefused(401, codes.UNAUTHORIZED, TEST_IS_OVER.reason) from None

    async def _open(self, run: Run, spender: Spender, service: Service, exchange: Exchange) -> None:
        credentials = service.credentials(exchange.request)
        handshake = accepted(exchange.request)
        replay = None if self._replays is None else await self._replays.begin(spender.grant)
        if replay is None:
            session, upstream = await self._dialled(run, spender, service, exchange)
        else:
            session, upstream = await self._replayed(run, spender, service, exchange, replay)
        try:
            complete(handshake, service.passes_down, credentials, upstream)
            handshake.headers[codes.SESSION_HEADER] = session.id
            if replay is not None:
                handshake.headers[codes.REPLAY_HEADER] = replay.pace
            answer = handshake.serialize()
        except BaseException:
            session.drop(upstream)
            raise
        exchange.transport.write(answer)
        session.relay(exchange.transport, upstream, exchange.early)

    async def _replayed(
        self, run: Run, spender: Spender, service: Service, exchange: Exchange, replay: Replay
    ) -> tuple[MeteredSession, Upstream]:
        grant, shared = spender.grant, _client_of(exchange) if spender.by_process_token else None
        try:
            session = await run.open_replay(grant, service, exchange.gone, replay, shared_client=shared)
        except BaseException:
            replay.ended("network")
            raise
        return session, await session.dial(asyncio.ensure_future(replay.dial(service, exchange.request)))

    async def _dialled(
        self, run: Run, spender: Spender, service: Service, exchange: Exchange
    ) -> tuple[MeteredSession, Upstream]:
        """Dial with the run's own key; where that is refused, with the given one, if that may be used."""
        try:
            return await self._dial(run, spender, service, exchange, run.run_keys.to_dial_with)
        except RunKeyRefused as refused:
            if run.run_keys.are_required:
                run.run_keys.report_refusal(refused.failed)
                raise refused.failed from None
            opened = await self._dial(run, spender, service, exchange, no_run_key)
            run.run_keys.give_up(refused.failed)
            return opened

    async def _dial(
        self, run: Run, spender: Spender, service: Service, exchange: Exchange, run_key: Callable[[], RunKey | None]
    ) -> tuple[MeteredSession, Upstream]:
        grant = spender.grant
        target = await self._target(grant.attempt.target)
        session = await run.open_session(
            grant,
            service,
            exchange.gone,
            run_key=run_key if grant.attempt.target is None else no_run_key,
            shared_client=_client_of(exchange) if spender.by_process_token else None,
            ask_skipped=target.ask_skipped(grant),
        )
        subprotocols = service.credentials(exchange.request).subprotocols
        dialling = target.dial(service, exchange.request, subprotocols, grant, session.run_key)
        try:
            return session, await session.dial(asyncio.ensure_future(dialling))
        except DialFailed as failed:
            if may_lack_scope(session.run_key, failed):
                raise RunKeyRefused(failed) from None
            raise


def _client_of(exchange: Exchange) -> SessionClient:
    peer_port = exchange.transport.get_extra_info("peername")[1]
    return client_of(exchange.request.header("user-agent"), peer_port)


@contextmanager
def _refusals() -> Iterator[None]:
    """Make refusals of what keeps a session from being opened."""
    try:
        yield
    except BudgetRefused as refused:
        raise RequestRefused(402, codes.EXHAUSTED, describe(refused.overrun)) from None
    except Cut as cut:
        status, code = (402, codes.EXHAUSTED) if was_cut(cut.closed_by) else (401, codes.UNAUTHORIZED)
        raise RequestRefused(status, code, cut.to_client.reason) from None
    except GatewayLost as charged:
        raise RequestRefused(402, codes.GATEWAY_LOST, str(charged)) from None
    except LedgerError as error:
        raise RequestRefused(503, codes.LEDGER, str(error)) from None
    except CreditMissing as missing:
        raise RequestRefused(missing.status, codes.CREDIT, str(missing)) from None
    except RunKeyMissing as missing:
        raise RequestRefused(503, codes.RUN_KEY, str(missing)) from None
    except TargetLost as lost:
        raise RequestRefused(502, lost.code, str(lost)) from None
    except DialLost as lost:
        raise RequestRefused(lost.status, lost.code, f"the agent endpoint can't be reached: {lost.reason}") from None
