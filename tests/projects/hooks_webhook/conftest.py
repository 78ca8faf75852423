"""Posts each overrun to the webhook that OVERRUN_WEBHOOK names, as chat services take it."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_dgbudget import OverrunReport


def pytest_dgbudget_overrun(overrun: OverrunReport) -> None:
    url = os.environ.get("OVERRUN_WEBHOOK")
    if url is None:
        return
    text = f"{overrun.nodeid}: {overrun.message} ({overrun.used:.2f} of {overrun.allowed:.2f})"
    request = urllib.request.Request(
        url, data=json.dumps({"text": text}).encode(), headers={"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=3).close()
