"""What lets a page in a browser read an answer.

Nothing of ours is readable to a page of another origin, but two things, and these for a valid token only: temporary
tokens, which pages fetch for themselves, and what dg_pass_other passes, which they would read at the vendor's, too. A
browser asks beforehand (a preflight), and shows no token with it: that answer is the same for everybody, and says
nothing but that the request may be made.
"""

from __future__ import annotations

from pytest_dgbudget.gateway.http import Headers, Request
from pytest_dgbudget.protocol.answers import response

_SECONDS = "600"


def cors_headers(request: Request) -> Headers:
    """Return the headers by which the page that asked may read the answer; none where no page did."""
    origin = request.header("origin")
    return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")] if origin else []


def is_preflight(request: Request) -> bool:
    asks_for = request.header("access-control-request-method")
    return request.method == "OPTIONS" and bool(asks_for and request.header("origin"))


def preflight_answer(request: Request) -> bytes:
    """Allow the request that is announced; browsers ask separately whether a page may reach into this machine."""
    headers = [*cors_headers(request), ("Access-Control-Max-Age", _SECONDS)]
    headers.append(("Access-Control-Allow-Methods", request.header("access-control-request-method")))
    if wanted := request.header("access-control-request-headers"):
        headers.append(("Access-Control-Allow-Headers", wanted))
    if request.header("access-control-request-private-network") == "true":
        headers.append(("Access-Control-Allow-Private-Network", "true"))
    return response(200, headers, b"")
