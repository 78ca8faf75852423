"""The steps of action.yml, run as GitHub runs them: expressions, files, shell; of other actions, what they get."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.ci_jobs import PATH
from tests.support.workflows import parsed

ROOT = Path(__file__).parents[2]
ACTION: Any = parsed((ROOT / "action.yml").read_text(encoding="utf-8"))
_BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
_EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")
_ENVIRONMENT = {
    **os.environ,
    "PATH": PATH,
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_JOB": "voice",
    "GITHUB_ACTION_PATH": str(ROOT),
    "DEEPGRAM_API_KEY": "",  # as the secret is for a pull request from a fork
}


class Done(NamedTuple):
    """What became of the action: the status of the first step that failed, what is uploaded, the job's summary."""

    status: int
    output: str
    outputs: dict[str, str]
    uploads: list[dict[str, str]]
    summary: str


class _Job:
    def __init__(self, workspace: Path, inputs: Mapping[str, str], variables: Mapping[str, str]) -> None:
        files = {name: workspace / f"../{name}" for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("", encoding="utf-8")
        self.workspace, self.output_file, self.summary_file = workspace, *files.values()
        self.variables = {**_ENVIRONMENT, **variables, **{name: str(file) for name, file in files.items()}}
        self.known = {"github.job": "voice", "strategy.job-index": "1"}
        for name, defined in ACTION["inputs"].items():
            self.known[f"inputs.{name}"] = inputs.get(name, self.evaluated(str(defined.get("default", ""))))
        self.status, self.output = 0, ""

    def evaluated(self, text: str) -> str:
        """Return a text with what GitHub puts in the place of its expressions; what has no value is empty."""
        return _EXPRESSION.sub(lambda match: self.known.get(match[1], ""), text)

    def wanted(self, step: Any) -> bool:
        checked = self.known.get("steps.places.outcome") == "success"
        return {None: self.status == 0, "always() && steps.places.outcome == 'success'": checked}[step.get("if")]

    def run(self, step: Any) -> None:
        done = subprocess.run(
            [*_BASH, step["run"]],
            cwd=self.workspace / self.evaluated(step["working-directory"]),
            env={**self.variables, **{name: self.evaluated(value) for name, value in step["env"].items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=50,
            check=False,
        )
        self.status, self.output = self.status or done.returncode, self.output + done.stdout
        if "id" in step:
            self._keep(f"steps.{step['id']}", done.returncode)

    def _keep(self, name: str, status: int) -> None:
        self.known[f"{name}.outcome"] = "failure" if status else "success"
        for line in self.output_file.read_text(encoding="utf-8").splitlines():
            output, _, value = line.partition("=")
            self.known[f"{name}.outputs.{output}"] = value
        self.output_file.write_text("", encoding="utf-8")


def run_action(workspace: Path, inputs: Mapping[str, str], **variables: str) -> Done:
    """Run all steps in a folder, as a job with these inputs would, and with these variables in the step's ``env``."""
    job, uploads = _Job(workspace, inputs, variables), []
    for step in ACTION["runs"]["steps"]:
        if job.wanted(step) and "run" in step:
            job.run(step)
        elif job.wanted(step):
            uploads.append({name: job.evaluated(str(value)) for name, value in step["with"].items()})
    outputs = {name: job.evaluated(defined["value"]) for name, defined in ACTION["outputs"].items()}
    return Done(job.status, job.output, outputs, uploads, job.summary_file.read_text(encoding="utf-8"))
