"""Which credential a redirected client shows: a token of ours in place of its own, which goes nowhere."""

from __future__ import annotations

from typing import Iterable

# Compared by a test with those of model and protocol.codes.
TOKEN_PREFIX = "d9b0d9e7"
WRONG_CREDENTIAL_PREFIX = "invalid-"
EMULATOR_KEY_PREFIX = "dgemu_"

_SCHEMES = ("token", "bearer")
_LENGTH = 40
# What is shorter is a dummy, and a word that other headers may have as well.
_PRIVATE_LENGTH = 16
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
# Those that belong to the host and the connection that were meant.
_LEFT_OUT = ("host", "cookie", "proxy-authorization", "proxy-connection")


def is_token(text: str) -> bool:
    """Return whether this is a token of a gateway's."""
    return text.startswith(TOKEN_PREFIX) and _is_hexadecimal(text) and text == text.lower()


def looks_like_a_key(text: str) -> bool:
    """Return whether this has the shape of the vendor's keys and temporary tokens, or of the emulator's."""
    parts = text.split(".")
    is_jwt = text.startswith("eyJ") and len(parts) == 3 and all(parts)
    return _is_hexadecimal(text) or text.startswith(EMULATOR_KEY_PREFIX) or is_jwt


def _is_hexadecimal(text: str) -> bool:
    return len(text) == _LENGTH and _HEXADECIMAL.issuperset(text)


def is_upgrade(headers: Iterable[tuple[str, str]]) -> bool:
    """Return whether these are the headers of a WebSocket."""
    return any(name.lower() == "upgrade" and value.lower() == "websocket" for name, value in headers)


class Shown:
    """What a client shows of itself: its headers, and its subprotocols where it has them apart."""

    def __init__(self, headers: Iterable[tuple[str, str]], subprotocols: Iterable[str] | None = None) -> None:
        self.headers = [(name, value) for name, value in headers if name.lower() not in _LEFT_OUT]
        self.subprotocols = None if subprotocols is None else list(subprotocols)

    def has_token(self) -> bool:
        """Return whether one of its credentials is a token of ours."""
        return any(is_token(credential) for credential in self._credentials())

    def replace(self, token: str) -> set[str]:
        """Replace its credentials, and return those that must go nowhere."""
        shown = self._credentials()
        self.headers = [(name, _replaced_in(name, value, token)) for name, value in self.headers]
        if self.subprotocols is not None:
            self.subprotocols = _replaced_among(self.subprotocols, token)
        if not shown:
            self.headers.append(("Authorization", _wrong(token)))
        private = {one for one in shown if len(one) >= _PRIVATE_LENGTH and not is_token(one)}
        self.headers = [(name, value) for name, value in self.headers if not any(one in value for one in private)]
        return private

    def _credentials(self) -> list[str]:
        found = _credentials_among(self.subprotocols or [])
        for name, value in self.headers:
            if name.lower() == "authorization":
                found.append(_split(value)[1])
            elif name.lower() == "sec-websocket-protocol":
                found += _credentials_among(_listed(value))
        return found


def _replaced_in(name: str, value: str, token: str) -> str:
    if name.lower() == "authorization":
        scheme, credential = _split(value)
        known = scheme.lower() in _SCHEMES
        return f"{scheme} {_replacement(credential, token)}" if known else _wrong(token)
    if name.lower() == "sec-websocket-protocol":
        return ", ".join(_replaced_among(_listed(value), token))
    return value


def _replacement(credential: str, token: str) -> str:
    if is_token(credential):
        return credential
    return token if looks_like_a_key(credential) else WRONG_CREDENTIAL_PREFIX + token


def _wrong(token: str) -> str:
    return f"Token {WRONG_CREDENTIAL_PREFIX}{token}"


def _split(authorization: str) -> tuple[str, str]:
    """Return scheme and credential; a single word is a credential without a scheme."""
    first, _, rest = authorization.strip().partition(" ")
    return (first, rest.strip()) if rest else ("", first)


def _listed(value: str) -> list[str]:
    return [one.strip() for one in value.split(",")]


def _positions(subprotocols: list[str]) -> list[int]:
    """Return where credentials stand: after ``token`` or ``bearer``."""
    found: list[int] = []
    for position in range(1, len(subprotocols)):
        if subprotocols[position - 1].lower() in _SCHEMES and position - 1 not in found:
            found.append(position)
    return found


def _credentials_among(subprotocols: list[str]) -> list[str]:
    return [subprotocols[position] for position in _positions(subprotocols)]


def _replaced_among(subprotocols: list[str], token: str) -> list[str]:
    """Replace credentials; the number of subprotocols stays, for clients compare the one that is chosen with theirs."""
    replaced = list(subprotocols)
    for position in _positions(subprotocols):
        replaced[position] = _replacement(subprotocols[position], token)
    return replaced
