"""One of several gateways that start at the same moment: ``python -m tests.ledger.sweeper PATH ID``.

Prints ``ready``, waits for a line, and ends what gateways left that are gone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.ledger import open_ledger


def main(path: str, name: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    open_ledger(Path(path), id=name).close()


if __name__ == "__main__":
    main(*sys.argv[1:])
