"""Names of folders that belong to tests."""

from __future__ import annotations

import hashlib
import re

_LONGEST_NAME = 100  # a part of a path may have 255 bytes, and the path itself not many
_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def folder_name(nodeid: str, *others: str) -> str:
    """Return a name that any file system takes, and whose beginning people recognise.

    It is the same each time, and another one for another node id, or where ``others``, which don't show in it, differ.
    """
    path, *names = nodeid.split("::")
    readable = _UNSAFE.sub("_", "::".join([path.rpartition("/")[2], *names])).strip("._-")[:_LONGEST_NAME]
    return f"{readable or 'test'}-{_digest(nodeid, *others)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:10]
