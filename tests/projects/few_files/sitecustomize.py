"""The gateway may hold MOST_FILES files open."""

import os
import resource
import sys

if any("gateway import main" in argument for argument in sys.orig_argv):
    most = int(os.environ["MOST_FILES"])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
