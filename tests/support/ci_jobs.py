"""Jobs of CI services, run here: their lines, with the variables that the service sets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
BLANK = {"DEEPGRAM_API_KEY": "", "DG_LEDGER": ""}  # as secrets are for a pull request from a fork


def run_lines(lines: Iterable[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a job's lines, but for those that install."""
    script = "\n".join(line for line in lines if not line.startswith("pip install "))
    environment = {**os.environ, **variables, "PATH": PATH}
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def gitlab_job(job: Any, folder: Path, index: int = 1) -> subprocess.CompletedProcess[str]:
    variables = {
        "CI_NODE_INDEX": str(index),
        "CI_NODE_TOTAL": str(job.get("parallel", 1)),
        "CI_PIPELINE_ID": "77",
        "CI_JOB_ID": f"77{index}",
        "CI_JOB_NAME_SLUG": f"voice-{index}",
        "CI_PROJECT_DIR": str(folder),
        **BLANK,
    }
    own = {
        name: re.sub(r"\$(\w+)", lambda match: variables[match[1]], v) for name, v in job.get("variables", {}).items()
    }
    return run_lines(job["script"], folder, {**variables, **own})
