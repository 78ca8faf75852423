"""Write how many children and sockets a pytest has at its end."""

from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    children = [file.read_text().split() for file in Path("/proc/self/task").glob("*/children")]
    sockets = [
        each for each in Path("/proc/self/fd").iterdir() if each.is_symlink() and "socket" in str(each.readlink())
    ]
    at_the_end = f"{sum(map(len, children))} children, {len(sockets)} sockets"
    Path("at-the-end.txt").write_text(at_the_end, encoding="utf-8")
