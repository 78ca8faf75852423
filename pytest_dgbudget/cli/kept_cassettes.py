"""Which cassettes a project keeps, and which of them no test uses: by a pytest that only collects its tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pytest_dgbudget.cassette.store import FOLDER, SESSION, read_cassette, read_facts
from pytest_dgbudget.cassette.writing import RECORDING_FILE
from pytest_dgbudget.cli.configuration import find_configuration
from pytest_dgbudget.config import COLLECTED_VARIABLE
from pytest_dgbudget.errors import CassetteError, SettingsError
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.recording.lines import LINES_FILE

if TYPE_CHECKING:
    from pytest_dgbudget.cassette.cassette import CassetteFacts
    from pytest_dgbudget.config.resolve import RunConfig

_PLUGIN = "pytest_dgbudget.plugin.collected_tests"
# Of what pytest wrote: why it could not collect is at its end.
_MOST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCassette:
    """The cassette of one session: its folder and the bytes in it.

    ``problem`` is why it can't be read, or empty; ``facts`` are None where these can't be read either. ``test`` is the
    id of the test that uses it; None: no collected test does, or what tests there are is not known.
    """

    folder: Path
    size: int
    facts: CassetteFacts | None
    problem: str
    test: str | None

    @property
    def of_test(self) -> Path:
        """The folder of all of its test's cassettes."""
        return self.folder.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCassettes:
    """All cassettes of a project, by their folders. ``not_collected``: why it isn't known which tests there are."""

    rootdir: Path
    cassettes: list[KeptCassette]
    not_collected: str | None

    @property
    def orphans(self) -> list[KeptCassette]:
        """Those that no test uses; none where it is not known which tests there are."""
        return [] if self.not_collected is not None else [each for each in self.cassettes if each.test is None]


def kept_cassettes(run_config: RunConfig) -> KeptCassettes:
    """Find a project's cassettes, and the test of each. Raises SettingsError."""
    rootdir = find_configuration().rootdir
    folders = cassette_folders(run_config.cassette_dir, rootdir)
    tests: Mapping[Path, str] = {}
    not_collected = None
    if folders:
        # A test's file is beside its cassettes, which need not be where pytest looks by itself.
        place = run_config.cassette_dir
        also = sorted({str(each.parents[2]) for each in folders}) if place is None else []
        tests, not_collected = _collect(rootdir, also, [] if place is None else [f"--dg-cassette-dir={place}"])
    return KeptCassettes(
        rootdir=rootdir,
        cassettes=[_kept(folder, rootdir, tests.get(folder.parent)) for folder in folders],
        not_collected=not_collected,
    )


def cassette_folders(cassette_dir: Path | None, rootdir: Path) -> list[Path]:
    """Return the folders of all cassettes, those of a test in the order of its dials.

    They are in ``cassette_dir``; where none is named, in all folders below the rootdir that are called ``cassettes``.
    Raises SettingsError where there is no folder with that name.
    """
    if cassette_dir is not None and not cassette_dir.is_dir():
        where = shown_path(cassette_dir, rootdir)
        raise SettingsError(
            f"there is no folder {where} (--cassette-dir or dg_cassette_dir), and so no cassettes; name the one that "
            "they were recorded in"
        )
    places = _places(rootdir) if cassette_dir is None else [cassette_dir]
    found = [folder for place in places for folder in place.glob("*/*") if _is_cassette(folder)]
    return sorted(found, key=lambda folder: (folder.parent, int(folder.name)))


def what_is_wrong(error: CassetteError, rootdir: Path) -> str:
    """Return why a cassette can't be read, with the file's path relative to the rootdir where it is below it."""
    return str(error).replace(f"{rootdir}{os.sep}", "")


def _kept(folder: Path, rootdir: Path, test: str | None) -> KeptCassette:
    size = sum(each.lstat().st_size for each in folder.iterdir())
    facts, problem = None, ""
    try:
        facts = read_facts(folder)
        read_cassette(folder)
    except CassetteError as error:
        problem = what_is_wrong(error, rootdir)
    return KeptCassette(folder=folder, size=size, facts=facts, problem=problem, test=test)


def _places(rootdir: Path) -> Iterator[Path]:
    """Yield the folders in which tests have cassettes, but for what is hidden, installed or elsewhere by a link."""
    for parent, folders, _ in os.walk(rootdir):
        if FOLDER in folders and not Path(parent, FOLDER).is_symlink():
            yield Path(parent, FOLDER)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in {FOLDER, "node_modules", "__pycache__"}
            and not Path(parent, name, "pyvenv.cfg").exists()
        ]


def _is_cassette(folder: Path) -> bool:
    """While a test's cassettes are replaced, there are hidden folders beside them."""
    return (
        SESSION.fullmatch(folder.name) is not None
        and not folder.parent.name.startswith(".")
        and all((folder / name).is_file() for name in (LINES_FILE, RECORDING_FILE))
    )


def _collect(rootdir: Path, also: Sequence[str], options: Sequence[str]) -> tuple[Mapping[Path, str], str | None]:
    """Return the tests by the folders of their cassettes, and why not all of them could be collected."""
    with TemporaryDirectory() as temporary:
        file = Path(temporary) / "tests.json"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", _PLUGIN, *options],
            cwd=rootdir,
            env={**os.environ, COLLECTED_VARIABLE: json.dumps({"file": str(file), "also": also})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if file.exists():
            folders: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
            return {Path(folder): nodeid for nodeid, folder in folders.items()}, None
    return {}, "\n".join(done.stdout.splitlines()[-_MOST_LINES:])


def kilobytes(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1000:,.1f} kB"
