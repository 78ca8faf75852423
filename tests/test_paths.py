"""Where a ledger may be: a probe of what it needs, and file systems that others share."""

from __future__ import annotations

import errno
import fcntl
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pytest_dgbudget import paths

MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:40 / /home rw,relatime - nfs4 server:/home rw
41 40 0:41 / /home/local\\040disk rw - xfs /dev/sdb rw
42 22 0:42 / /share rw,relatime shared:7 master:2 - cifs //server/share rw
a line of another form
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/project", None),
        ("/home/me/project/.dgbudget", "nfs4"),
        ("/home", "nfs4"),
        ("/homestead", None),
        ("/home/local disk/project", None),
        ("/share/project", "cifs"),
    ],
)
def test_the_nearest_mount_says_what_a_folder_is_on(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS, encoding="utf-8")
    with patch.object(paths, "_MOUNTS", mounts), patch.object(Path, "resolve", lambda path: path):
        assert paths.shared_file_system(Path(folder)) == kind
        assert paths.file_system(Path(folder)) in {kind, "ext4", "xfs"}


@pytest.mark.parametrize(
    "kind", ["9p", "ceph", "fakeowner", "fuse.grpcfuse", "fuse.sshfs", "lustre", "prl_fs", "vboxsf", "virtiofs"]
)
def test_a_file_system_that_others_share_is_no_place_for_a_ledger(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 98:0 / / rw - {kind} source rw\n", encoding="utf-8")
    with patch.object(paths, "_MOUNTS", mounts):
        assert f"({kind})" in (paths.why_no_ledger(tmp_path) or "")


def test_where_nobody_says_it_is_taken_for_a_local_disk(tmp_path: Path) -> None:
    with patch.object(paths, "_MOUNTS", tmp_path / "none"):
        assert paths.shared_file_system(tmp_path) is None


# What the probe finds out, with system calls as other file systems answer them


def refused(*arguments: Any, **named: Any) -> None:
    raise OSError(errno.ENOTSUP, "Operation not supported")


def granted(*arguments: Any, **named: Any) -> None:
    """A lock that excludes nobody."""


def private_memory(descriptor: int, length: int) -> mmap.mmap:
    return REAL_MMAP(descriptor, length, access=mmap.ACCESS_COPY)


def copied(new: Path, path: Path) -> None:
    path.write_bytes(new.read_bytes())


class Status:
    """A file that has another number whenever it is asked for."""

    numbers = iter(range(1000))

    def __init__(self) -> None:
        self.st_ino = next(self.numbers)


REAL_MMAP = mmap.mmap
FAULTS: list[tuple[Any, str, Callable[..., Any], str]] = [
    (fcntl, "flock", refused, "flock locks don't work there (Operation not supported)"),
    (fcntl, "flock", granted, "flock locks don't work there"),
    (fcntl, "lockf", refused, "POSIX locks don't work there (Operation not supported)"),
    (fcntl, "lockf", granted, "POSIX locks don't work there"),
    (mmap, "mmap", refused, "memory can't be shared through a file there (Operation not supported)"),
    (mmap, "mmap", private_memory, "memory can't be shared through a file there"),
    (Path, "replace", refused, "a file can't be replaced while it is open there (Operation not supported)"),
    (Path, "replace", copied, "a file can't be replaced while it is open there"),
    (Path, "stat", lambda _: Status(), "one file has two identities there"),
]


@pytest.mark.parametrize(("owner", "name", "answers", "said"), FAULTS)
def test_what_a_ledger_needs_and_does_not_get_is_named(
    tmp_path: Path, owner: Any, name: str, answers: Callable[..., Any], said: str
) -> None:
    if (name, answers) == ("lockf", granted) and not hasattr(fcntl, "F_OFD_SETLK"):
        pytest.skip("this system has no locks of open files, to try POSIX locks within one process")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, answers)
        lacks = paths.why_no_ledger(tmp_path)
    assert lacks == said
    assert list(tmp_path.iterdir()) == []


def test_a_local_disk_has_all_that_a_ledger_needs_and_the_probe_leaves_nothing(tmp_path: Path) -> None:
    assert paths.why_no_ledger(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_written_is_no_verdict_but_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        paths.why_no_ledger(tmp_path / "none")


def test_where_the_current_folder_is_gone_processes_start_in_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    assert paths.existing_folder() == str(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert paths.existing_folder() == "/"
