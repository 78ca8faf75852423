"""Opens one while a test runs, at the same port."""

import application


def test_it() -> None:
    application.visit().close()
