"""An application that does without a key by ending its process."""

import os
import sys

if not os.environ.get("DEEPGRAM_API_KEY"):
    sys.exit(1)


def test_it() -> None:
    """It could be imported."""
