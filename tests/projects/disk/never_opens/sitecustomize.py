"""A disk that hangs: in the gateway, the ledger does not open for longer than owners wait, which is three seconds."""

import sqlite3
import sys
import time
from typing import Any

connect: Any = sqlite3.connect


def opens_too_late(*arguments: Any, **options: Any) -> Any:
    time.sleep(8)
    return connect(*arguments, **options)


if any("pytest_dgbudget.gateway" in argument for argument in sys.orig_argv):
    from pytest_dgbudget.gateway import process

    vars(sqlite3)["connect"] = opens_too_late
    vars(process)["_OPEN_SECONDS"] = 3
