"""A worker's own gateway on another machine than its controller's ends its part, and leaves the run open."""

from __future__ import annotations

from pathlib import Path

from pytest_dgbudget.control.part import Part
from tests.support.gateway import opened
from tests.support.ledger import rows_of
from tests.support.processes import wait_until
from tests.support.vendor import Vendor

PART = Part("the-controllers", "gw1")


def check_what_is_left(folder: Path) -> None:
    assert rows_of(folder, "SELECT id FROM invocation") == [(PART.invocation,)]
    assert rows_of(folder, "SELECT how FROM lease_end") == [("settled",)]
    assert rows_of(folder, "SELECT * FROM invocation_end") == []
    assert not (folder / ".dgbudget/report").exists()


def test_it_leaves_the_run_settled_and_unreported(vendor: Vendor, tmp_path: Path) -> None:
    with opened(vendor.url, tmp_path, part=PART) as gateway, gateway.session(gateway.grant().token) as session:
        session.recv()
        assert gateway.run.leave() == ()
        vendor.wait_closed(1)
    check_what_is_left(tmp_path)


def test_i5_it_ends_when_its_workers_connection_does(vendor: Vendor, tmp_path: Path) -> None:
    with opened(vendor.url, tmp_path, part=PART) as gateway, gateway.session(gateway.grant().token) as session:
        session.recv()
        gateway.run.gateway.close()
        vendor.wait_closed(1, timeout=10)
        wait_until(lambda: not list(tmp_path.glob(".dgbudget/*.lock")), timeout=5)  # and not for want of an owner
    check_what_is_left(tmp_path)
