"""What a container has: a name for its host."""

import socket
from typing import Any

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    return _getaddrinfo("127.0.0.1" if host == "host.docker.internal" else host, *args, **kwargs)


socket.getaddrinfo = getaddrinfo
