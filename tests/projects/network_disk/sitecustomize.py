"""What the gateway reads of the system's mounts says that the project is on NFS."""

import pathlib
from typing import Any

_read_text = pathlib.Path.read_text


def read_text(path: pathlib.Path, *arguments: Any, **named: Any) -> str:
    if str(path) == "/proc/self/mountinfo":
        return f"36 35 98:0 / {pathlib.Path(__file__).parent} rw - nfs4 server:/ rw"
    return _read_text(path, *arguments, **named)


pathlib.Path.read_text = read_text  # type: ignore[method-assign, assignment]
