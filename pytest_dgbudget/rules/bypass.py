"""Whether sessions went past the gateway, as far as anybody can know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_dgbudget.errors import BypassRefused

if TYPE_CHECKING:
    from pytest_dgbudget.model import Bypass

BypassState = Literal["refused", "unknown", "possible", "seen"]


def bypass_state(*, seen: bool, possible: bool, live: bool, sessions: int) -> BypassState:
    """Return what a run's report says of it.

    ``sessions``: how many were dialled or refused. ``seen``: a session was dialled past the gateway, and reported.
    ``possible``: one could be, unseen. ``unknown``: of a live run no session reached the gateway, so perhaps its
    application dials elsewhere. ``refused``: whoever would dial past it is redirected or refused.
    """
    if seen:
        return "seen"
    if possible:
        return "possible"
    return "unknown" if live and not sessions else "refused"


def bypass_error(bypass: Bypass) -> BypassRefused:
    """Return the error of a test in which a client would have opened a session past the gateway."""
    message = (
        f"a client in {_short(bypass.program)} would have opened a session at {bypass.host}{bypass.path} past the "
        "gateway, unmetered, and was refused: give the application voice_agent_endpoint.agent_url (DGBUDGET_AGENT_URL) "
        "and DEEPGRAM_API_KEY as its key; or let it through, unmetered, with --dg-redirect=warn"
    )
    return BypassRefused(message, host=bypass.host, path=bypass.path, program=bypass.program)


def _short(program: str) -> str:
    """Return a program's name without its folders; of ``python -m``, the package's."""
    folder, _, name = program.rpartition("/")
    return folder.rpartition("/")[2] if name == "__main__.py" else name
