"""Opens a session while test modules are imported."""

import application

REFUSED = application.refusal()


def test_it() -> None:
    assert REFUSED == (403, "DGBUDGET_NO_TEST")
