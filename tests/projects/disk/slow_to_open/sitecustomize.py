"""A slow disk: in the gateway, the ledger takes OPENS_AFTER seconds to open. OWNERS_WAIT: owners wait no longer."""

import os
import sqlite3
import sys
import time
from typing import Any

connect: Any = sqlite3.connect


def opens_slowly(*arguments: Any, **options: Any) -> Any:
    time.sleep(int(os.environ["OPENS_AFTER"]))
    return connect(*arguments, **options)


if any("pytest_dgbudget.gateway" in argument for argument in sys.orig_argv):
    vars(sqlite3)["connect"] = opens_slowly
    if "OWNERS_WAIT" in os.environ:
        from pytest_dgbudget.gateway import process

        vars(process)["_OPEN_SECONDS"] = int(os.environ["OWNERS_WAIT"])
