"""Tokens of auth/grant: each means what the token that minted it means, and may be shown for a short time only."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_dgbudget.gateway.clock import now_ms
from pytest_dgbudget.gateway.tokens import Tokens

# How long one that has expired is still known as such.
_REMEMBERED_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedToken:
    """``minter`` is the token that minted it, which may mean another test when this one is shown."""

    minter: str = field(repr=False)
    expires_ms: int

    @property
    def has_expired(self) -> bool:
        return now_ms() >= self.expires_ms


class MintedTokens:
    """Those of one run. A gateway's successor knows none: their time to live is short."""

    def __init__(self) -> None:
        self._tokens: Tokens[MintedToken] = Tokens()
        self._issued: list[tuple[int, str]] = []

    def mint(self, minter: str, ttl_ms: int) -> str:
        self._forget_old()
        minted = MintedToken(minter=minter, expires_ms=now_ms() + ttl_ms)
        token = self._tokens.issue(minted)
        self._issued.append((minted.expires_ms, token))
        return token

    def find(self, token: str) -> MintedToken | None:
        return self._tokens.find(token)

    def _forget_old(self) -> None:
        limit_ms = now_ms() - _REMEMBERED_MS
        for expires_ms, token in self._issued:
            if expires_ms < limit_ms:
                self._tokens.revoke(token)
        self._issued = [(expires_ms, token) for expires_ms, token in self._issued if expires_ms >= limit_ms]
