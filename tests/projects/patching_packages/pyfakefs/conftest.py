"""Gives each test a file system of its own before ``voice_agent``, so that the gateway is started in it, too."""

from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, fs: FakeFilesystem, request: pytest.FixtureRequest) -> None:
    fs.add_real_directory(request.path.parent)
    fs.create_dir(tmp_path)
    assert not Path("/usr").exists()
    if request.node.name == "test_app":
        request.getfixturevalue("voice_agent")
        fs.pause()  # pyfakefs has no processes: the example could not start its application
