"""Shows its environment, its arguments and its standard input as JSON."""

from __future__ import annotations

import json
import os
import sys

print(json.dumps({"environment": dict(os.environ), "arguments": sys.argv[1:], "input": sys.stdin.read()}))
