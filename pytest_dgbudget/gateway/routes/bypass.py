"""``POST /bypass``: a process tells of a session that it refused, or let pass, because it could not be redirected."""

from __future__ import annotations

import json

from pytest_dgbudget.gateway.exchange import Exchange
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.routes.callers import Callers
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.upstream import on_one_line
from pytest_dgbudget.model import Bypass
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.answers import response
from pytest_dgbudget.protocol.codec import from_json

_LONGEST_BODY = 16 * 1024


class BypassRoute:
    """Notes bypasses with the test that runs."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def serve(self, run: Run, exchange: Exchange, shown: str) -> None:
        """Note what is told; raises RequestRefused."""
        grant = await self._callers.of_rest(run, shown, exchange.gone, manages=True)
        exchange.identified()
        body = await exchange.stream().body(_LONGEST_BODY)
        try:
            told = from_json(Bypass, json.loads(body or b""))
        except (ValueError, RecursionError):
            raise RequestRefused(400, codes.BAD_REQUEST, "this tells of no bypass") from None
        run.bypasses.note(grant, _shown(told))
        await exchange.answer(response(204, (), b""))


def _shown(told: Bypass) -> Bypass:
    """Return what reports may show: no query, which could hold anything."""
    return Bypass(
        host=on_one_line(told.host),
        path=on_one_line(told.path.partition("?")[0]),
        how=told.how,
        program=on_one_line(told.program),
    )
