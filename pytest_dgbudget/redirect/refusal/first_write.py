"""A TLS connection whose first request would open a session is broken off before that request is sent.

From its making until its first request is complete, a connection is of a subclass that looks at what is written.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_METHODS = ("write", "send", "sendall")
# A request may be written in pieces; one without an end within this is none.
_LONGEST_HEAD = 65536
_GET = b"GET /"
_BEGINNING = "_dgbudget_beginning"  # what was written of it so far, in the connection
_END_OF_HEAD = b"\r\n\r\n"
# For each class of connections, the one that looks.
_looking: dict[type, type] = {}


def look_at_first_write(connection: Any) -> None:
    """Look at what a client's connection writes first. One of a class that can't be replaced is let be."""
    own = type(connection)
    if connection.server_side or own in _looking.values() or not hasattr(connection, "__dict__"):
        return
    try:
        connection.__class__ = _looking.get(own) or _make_looking(own)
    except TypeError:
        return


def _make_looking(own: type) -> type:
    methods: dict[str, Any] = {name: _looking_method(own, name) for name in _METHODS if hasattr(own, name)}
    names = {"__slots__": (), "__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
    _looking[own] = type(own.__name__, (own,), {**names, **methods})
    return _looking[own]


def _looking_method(own: type, name: str) -> Any:
    def method(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        if type(self) is not own:  # uvloop keeps the method that it got first
            _look(self, own, data)
        return getattr(own, name)(self, data, *args, **kwargs)

    method.__name__ = name
    return method


def _look(connection: Any, own: type, data: Any) -> None:
    """Refuse what would open a session; once that is known, nothing looks any more."""
    beginning = connection.__dict__.pop(_BEGINNING, b"")
    if not beginning and data[: len(_GET)] != _GET:
        connection.__class__ = own
        return
    written = beginning + bytes(data[:_LONGEST_HEAD])
    connection.__class__ = own
    from .sessions import refuse_session

    refuse_session(connection.server_hostname, written)
    if _END_OF_HEAD not in written and len(written) < _LONGEST_HEAD:
        connection.__dict__[_BEGINNING] = written
        connection.__class__ = _looking[own]
