"""What is ours in a place that all users share: nobody else can take its place first."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest.mock import patch

import pytest

from pytest_dgbudget import paths


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A place like /tmp."""
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o1777)
    return place


ANOTHER_USER = patch.object(os, "getuid", lambda: 4711)
"""To whom what this test makes is somebody else's; root's would be nobody's."""


def disown(path: Path) -> None:
    if os.getuid() == 0:
        os.chown(path, 815, -1, follow_symlinks=False)


def test_a_private_folder_is_for_this_user_alone_and_found_again(shared: Path) -> None:
    for _ in range(2):
        paths.make_private_folder(shared / "ours")
        assert (shared / "ours").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("taken_by", ["a link", "a file", "an open folder", "another user's folder"])
def test_what_is_in_a_private_folders_place_is_not_used(shared: Path, tmp_path: Path, taken_by: str) -> None:
    ours = shared / "ours"
    user: AbstractContextManager[object] = nullcontext()
    if taken_by == "a link":
        (tmp_path / "theirs").mkdir(mode=0o700)
        ours.symlink_to(tmp_path / "theirs")
    elif taken_by == "a file":
        ours.touch()
    else:
        ours.mkdir(mode=0o700)
        ours.chmod(0o755 if taken_by == "an open folder" else 0o700)
        user = ANOTHER_USER if taken_by == "another user's folder" else user
    with user, pytest.raises(FileExistsError):
        paths.make_private_folder(ours)


@pytest.mark.parametrize("folder", [".dgbudget", ".dgbudget/report", "report"])
@pytest.mark.parametrize("by_link", [False, True], ids=["a folder", "a link"])
def test_a_folder_that_another_user_made_where_all_users_may_is_not_used(
    shared: Path, tmp_path: Path, folder: str, by_link: bool
) -> None:
    taken = shared / folder.partition("/")[0]
    if by_link:
        (tmp_path / "theirs").mkdir()
        taken.symlink_to(tmp_path / "theirs")
    else:
        taken.mkdir()
    disown(taken)
    with ANOTHER_USER, pytest.raises(PermissionError, match="another user has made it in"):
        paths.make_folder(shared / folder)
    assert not (taken / ".gitignore").exists()


def test_a_folder_of_another_user_in_a_project_is_used(tmp_path: Path) -> None:
    """As in a container that runs as another user than who checked the project out."""
    (tmp_path / ".dgbudget").mkdir()
    disown(tmp_path / ".dgbudget")
    with ANOTHER_USER:
        paths.make_folder(tmp_path / ".dgbudget/report")
    assert (tmp_path / ".dgbudget/.gitignore").exists()
