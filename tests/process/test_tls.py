"""The vendor speaks TLS: the same figures, the same cut, after a handshake of its own."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from tests.process.test_figures import check_figures
from tests.support.project import Project
from tests.support.vendor import Vendor


def certified(path: Path) -> tuple[ssl.SSLContext, dict[str, str]]:
    """Return a server's context, and the environment in which it is trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context, {"SSL_CERT_FILE": str(path / "ca.pem")}


def test_figures_and_cut_are_the_same_over_tls(project: Project) -> None:
    project.use("figures/test_three.py", "figures/test_cut.py")
    context, trusted = certified(project.path)
    with Vendor(tls=context) as vendor:
        result = project.run("--dg-budget=5m", env={**vendor.environ, **trusted})
        seen = vendor.wait_closed(5)
    assert result.outcomes() == {
        "test_short": "passed",
        "test_long": "passed",
        "test_two_sessions": "passed",
        "test_overruns": "failed",
    }
    check_figures(result, seen)
    assert {connection.close_code for connection in seen} == {1000}


def test_a_server_that_nobody_vouches_for_gets_neither_key_nor_session(project: Project) -> None:
    project.use("disk/test_opens.py")
    context, _ = certified(project.path)
    with Vendor(tls=context) as vendor:
        result = project.run("--dg-budget=5m", env=vendor.environ)
    assert vendor.connections == []
    assert result.status == 1
    assert "HandshakeRefused" in result.output
    assert "certificate verify failed" in result.output
    assert [session["closed_by"] for session in result.usage["sessions"]] == ["network"]
