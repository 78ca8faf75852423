"""A child process: dials with one client, and prints what came of it.

Arguments: the client's function in ``dial`` or ``dial_tls``, the URL, and how it gets the key.
"""

from __future__ import annotations

import os
import sys

HARD_CODED = "5eed7e57ab1e00c0ffeed0dd5eafa11babe5ca1a"
AT_IMPORT = os.environ.get("DEEPGRAM_API_KEY", "")


def key_of(source: str) -> str:
    if source == "at_import":
        return AT_IMPORT
    if source == "dotenv":
        from dotenv import load_dotenv

        load_dotenv(override=True)
        return os.environ["DEEPGRAM_API_KEY"]
    return HARD_CODED


def main() -> None:
    import dial  # type: ignore[import-not-found, unused-ignore]

    name, url, source = sys.argv[1:4]
    print(dial.SOCKETS[name](url, key_of(source)))


if __name__ in ("__main__", "child"):
    main()
