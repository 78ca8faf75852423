"""A pytest whose packages only sys.path knows, as those of a zipapp, of pex or of Bazel."""

import os
import sys

sys.path += os.environ.pop("PACKAGES").split(os.pathsep)

import pytest

sys.exit(pytest.main(sys.argv[1:]))
