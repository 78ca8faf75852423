"""One of several gateways that start at the same moment: ``python -m tests.ledger.sweeper ADDRESS ID``.

Prints ``ready``, waits for a line, and ends what gateways left that are gone.
"""

from __future__ import annotations

import sys

from tests.support.ledger import address_of, open_ledger


def main(address: str, name: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    open_ledger(address_of(address), id=name).close()


if __name__ == "__main__":
    main(*sys.argv[1:])
