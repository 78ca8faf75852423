"""Tests of an application with the vendor's URL and a key in its code, in this process and in a child."""

import subprocess
import sys

import application
import pytest


def test_in_process() -> None:
    application.visit(0.5).close()


def test_in_a_child() -> None:
    subprocess.run([sys.executable, "application.py", "0.5"], check=True)


@pytest.mark.dg_budget("1s")
def test_is_cut() -> None:
    application.visit(5)


def test_leaks() -> None:
    application.visit(0)


def test_without() -> None:
    """It opens none."""
