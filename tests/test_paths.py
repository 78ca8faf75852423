"""Where folders are: a ledger must not be on a network file system."""

from __future__ import annotations

from pathlib import Path
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
def test_the_nearest_mount_tells_what_a_folder_is_on(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS, encoding="utf-8")
    with patch.object(paths, "_MOUNTS", mounts), patch.object(Path, "resolve", lambda path: path):
        assert paths.network_file_system(Path(folder)) == kind


def test_where_nobody_says_it_is_taken_for_a_local_disk(tmp_path: Path) -> None:
    with patch.object(paths, "_MOUNTS", tmp_path / "none"):
        assert paths.network_file_system(tmp_path) is None
