"""A target: where sessions are dialled, with which key, and whose statement has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.run_keys import RunKey
from pytest_dgbudget.gateway.services.service import AskSkipped, Service
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost, Upstream, dial
from pytest_dgbudget.model import ApiAccess


class TargetLost(Exception):
    """Nothing can be dialled there, or nothing any more. ``code`` is what a refusal of the gateway's names."""

    code: str


class Target(Protocol):
    """Where the sessions of a run go."""

    @property
    def access(self) -> ApiAccess | None:
        """The management API that states what was used; None where nobody knows it."""
        ...

    async def dial(
        self,
        service: Service,
        request: Request,
        subprotocols: Sequence[str],
        grant: Grant,
        run_key: RunKey | None = None,
    ) -> Upstream:
        """Open a session, with the run's own key if there is one; raises DialFailed.

        Whatever the target repeats, no key is in what comes back.
        """
        ...

    def ask_skipped(self, grant: Grant) -> AskSkipped | None:
        """Return what tells how much waiting a grant's sessions skip; None where time is real."""
        ...

    async def stop(self) -> None:
        """End what was started for this run."""
        ...


class NoTarget:
    """That of a run whose sessions are replayed: nothing is dialled, and no statement has anything of it."""

    access = None

    async def dial(
        self,
        service: Service,
        request: Request,
        subprotocols: Sequence[str],
        grant: Grant,
        run_key: RunKey | None = None,
    ) -> Upstream:
        raise DialLost(502, "this run's sessions are replayed, and none is dialled")

    def ask_skipped(self, grant: Grant) -> AskSkipped | None:
        """Nothing is skipped where nothing is dialled."""
        return None

    async def stop(self) -> None:
        """Nothing was started."""


class Addresses:
    """A URL for each service by name, and the key that all of them take."""

    def __init__(self, urls: Mapping[str, str], key: str) -> None:
        self._urls = urls
        self._key = key

    async def dial(
        self,
        service: Service,
        request: Request,
        subprotocols: Sequence[str],
        own_headers: Mapping[str, str],
        run_key: RunKey | None = None,
    ) -> Upstream:
        url = self._urls.get(service.name)
        if url is None:
            raise DialLost(502, f"this run's target has no {service.name}")
        key = self._key if run_key is None else run_key.secret
        secrets = Secrets(self._key, key, service.credentials(request).token)
        return await dial_with_secrets(
            secrets,
            _with_query(url, request.query),
            headers={**service.dial_headers(request, key), **own_headers},
            user_agent=request.header("user-agent") or None,
            subprotocols=subprotocols,
        )


async def dial_with_secrets(
    secrets: Secrets, url: str, *, headers: Mapping[str, str], user_agent: str | None, subprotocols: Sequence[str]
) -> Upstream:
    """Open a session; raises DialFailed. None of the secrets is in what comes back, whatever the other end repeats."""
    try:
        upstream = await dial(url, headers=headers, user_agent=user_agent, subprotocols=subprotocols)
    except DialFailed as failed:
        raise _without(secrets, failed) from None
    return replace(upstream, headers=secrets.hide_in(upstream.headers), secrets=secrets)


def _without(secrets: Secrets, failed: DialFailed) -> DialFailed:
    failed.body = secrets.blank(failed.body)
    failed.headers = secrets.hide_in(failed.headers)
    if isinstance(failed, DialLost):
        failed.reason = secrets.hide(failed.reason)
    return failed


def _with_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url
