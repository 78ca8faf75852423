"""A slow disk: in the gateway, opening the ledger takes longer than a gateway waits for its controller."""

import sqlite3
import sys
import time
from typing import Any

connect: Any = sqlite3.connect


def opens_slowly(*arguments: Any, **options: Any) -> Any:
    time.sleep(11)
    return connect(*arguments, **options)


if any("pytest_dgbudget.gateway" in argument for argument in sys.orig_argv):
    vars(sqlite3)["connect"] = opens_slowly
