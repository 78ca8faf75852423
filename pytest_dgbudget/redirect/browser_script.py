"""The init script that redirects pages in a browser. Children may be older Pythons, so it imports none of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
# What is the vendor's, and what is shown in place of a credential, is said once, for Node and for pages.
_MODULES = (
    "node/target.cjs",
    "node/credentials.cjs",
    "node/headers.cjs",
    "node/vendor.cjs",
    "node/settings.cjs",
    "node/refusal_error.cjs",
    "browser/page_bypass.cjs",
    "browser/page_websocket.cjs",
    "browser/page_fetch.cjs",
    "browser/page_xhr.cjs",
    "browser/page_worker.cjs",
    "browser/main.cjs",
)
_LOADER = """\
(function init(text, base) {
  const modules = {
%s
  };
  const loaded = {};
  function require(name) {
    if (!(name in loaded)) modules[name]((loaded[name] = { exports: {} }), require);
    return loaded[name].exports;
  }
  require("./main.cjs").main(text, init.toString(), base);
})"""


def _wrapped(path: Path) -> str:
    source = path.read_text(encoding="utf-8")
    return f'"./{path.name}": (module, require) => {{\n{source}}},\n'


# Read at once: a test may replace what files are read with.
_SCRIPT = _LOADER % "".join(_wrapped(_HERE / name) for name in _MODULES)


def browser_script(settings: Mapping[str, Any]) -> str:
    """Return the script for these settings, which are those of ``DGBUDGET_REDIRECT``."""
    return f"{_SCRIPT}({_literal(json.dumps(dict(settings)))});\n"


def _literal(text: str) -> str:
    """As a JavaScript string, which may also stand in the ``<script>`` of a page."""
    return json.dumps(text).replace("<", "\\u003c")
