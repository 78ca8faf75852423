"""A plugin that imports the clients before anything is redirected."""

import importlib
import json
import os

for module in json.loads(os.environ["CLIENTS"])["modules"]:
    importlib.import_module(module)
