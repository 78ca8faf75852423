"""A child that was redirected at its start, and installs a redirect of its own in which the package is another copy."""

from __future__ import annotations

import sys

import dial  # type: ignore[import-not-found, unused-ignore]

from pytest_dgbudget.redirect import RedirectSettings, install

URL = "wss://agent.deepgram.com/v1/agent/converse"
KEY = "5eed7e57ab1e00c0ffeed0dd5eafa11babe5ca1a"

dial.websocket_client(URL, KEY)
redirect = install(RedirectSettings(sys.argv[1], sys.argv[2], URL))
dial.websocket_client(URL, KEY)
redirect.uninstall()
dial.websocket_client(URL, KEY)
