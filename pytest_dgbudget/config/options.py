"""The table of options: all there is to each, in one row.

The plugin registers it with pytest, ``resolve`` goes through it, and a test holds the documentation against it. It is
loaded at every start of pytest, and so imports nothing else of ours: a row names its parser, which ``parsing`` has.
"""

from __future__ import annotations

import re

DEFAULT_AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
DEFAULT_API_URL = "https://api.deepgram.com"
DEFAULT_LEDGER = "sqlite:///.dgbudget/ledger.db"


class Option:
    """One setting: ini key ``name``, flag ``--dg-…`` (``in_ini_only``: none), variable ``environment``.

    ``parser`` is the name of a function of ``parsing``, whose value becomes ``field`` of RunConfig. A path is relative
    to the ``rootdir``, or (``given``) to the current directory where it was typed by hand.
    No dataclass: every start of pytest would pay for making one.
    """

    def __init__(
        self,
        name: str,
        parser: str,
        field: str,
        metavar: str,
        default: str | None,
        help: str,  # noqa: A002 - what it is
        environment: str | None = None,
        *,
        in_ini_only: bool = False,
        relative_to: str | None = None,
    ) -> None:
        self.name = name
        self.parser = parser
        self.field = field
        self.metavar = metavar
        self.default = default
        self.help = help
        self.environment = environment
        self.in_ini_only = in_ini_only
        self.relative_to = relative_to

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


OPTIONS = (
    Option(
        "dg_budget",
        "parse_time",
        "budget_ms",
        "TIME",
        None,
        "Run budget: connection time summed over all sessions of all workers, such as 10m or 1h30m.",
        "DG_BUDGET",
    ),
    Option(
        "dg_test_budget",
        "time_or_off",
        "test_budget_ms",
        "TIME",
        "60s",
        "Budget of each test that sets none itself, all its reruns together; or off.",
    ),
    Option(
        "dg_idle_timeout",
        "time_or_off",
        "idle_ms",
        "TIME",
        "30s",
        "Close a session in which nothing but keep-alives moved for this long; or off.",
    ),
    Option(
        "dg_max_sessions",
        "max_sessions",
        "max_sessions",
        "N",
        "15",
        "Sessions open at once; more wait, unbilled, first come first served.",
    ),
    Option(
        "dg_on_exhausted",
        "on_exhausted",
        "on_exhausted",
        "POLICY",
        "fail",
        "What becomes of a test that asks for a session when the run budget is spent: fail or skip.",
    ),
    Option(
        "dg_target",
        "target",
        "target",
        "TARGET",
        "auto",
        "live, emulator, or auto: live when DEEPGRAM_API_KEY is set, otherwise the emulator.",
        "DG_TARGET",
    ),
    Option(
        "dg_agent_url",
        "agent_url",
        "agent_url",
        "URL",
        DEFAULT_AGENT_URL,
        "Regional or self-hosted Voice Agent endpoint.",
        "DG_AGENT_URL",
    ),
    Option(
        "dg_api_url",
        "api_url",
        "api_url",
        "URL",
        DEFAULT_API_URL,
        "Management API, which says what was used.",
        "DG_API_URL",
    ),
    Option(
        "dg_project",
        "project",
        "project",
        "ID",
        None,
        "Project to reconcile against; by default the only one that the key sees.",
        "DEEPGRAM_PROJECT_ID",
    ),
    Option(
        "dg_run_id",
        "run_id",
        "run_id",
        "ID",
        None,
        "Name of the run; a later run with the same name goes on with what is left. Made up by default.",
        "DG_RUN_ID",
    ),
    Option(
        "dg_ledger",
        "ledger_path",
        "ledger",
        "URL",
        DEFAULT_LEDGER,
        "Durable record of what was spent: sqlite:///PATH, relative to the rootdir.",
        "DG_LEDGER",
        relative_to="rootdir",
    ),
    Option(
        "dg_report_dir", "path", "report_dir", "DIR", ".dgbudget/report", "Where usage.json goes.", relative_to="given"
    ),
    Option(
        "dg_reconcile",
        "reconcile",
        "reconcile",
        "WHEN",
        "warn",
        "Compare with the vendor's statement at the end: off; warn; or require: anything but reconciled fails the run.",
    ),
    Option(
        "dg_reconcile_timeout",
        "parse_time",
        "reconcile_timeout_ms",
        "TIME",
        "30s",
        "How long to wait for the vendor's statement; not at all after Ctrl-C or -x.",
    ),
    Option(
        "dg_tolerance",
        "tolerance",
        "tolerance",
        "ABS,REL",
        "2s,5%",
        "How far the vendor's figure for a session may lie from ours: the larger of the two.",
    ),
    Option(
        "dg_vendor_grace",
        "parse_time",
        "vendor_grace_ms",
        "TIME",
        "10m",
        "How long after its end a session may be missing from the vendor's statement.",
        in_ini_only=True,
    ),
    Option(
        "dg_junit_attachment",
        "junit_attachment",
        "junit_attachment",
        "PATH",
        "relative",
        "How the JUnit file names the report in a failed testcase: relative (GitLab), absolute (Jenkins) or off.",
        in_ini_only=True,
    ),
    Option(
        "dg_agent_settings",
        "path",
        "agent_settings",
        "FILE",
        None,
        "JSON or TOML file with the default Settings of voice_agent.connect().",
        in_ini_only=True,
        relative_to="given",
    ),
    Option(
        "dg_scenario",
        "scenario",
        "scenario",
        "FILE",
        None,
        "What the emulator's agent does: a TOML file with scenarios, its first one or FILE::NAME.",
        in_ini_only=True,
        relative_to="rootdir",
    ),
    Option(
        "dg_keep_key",
        "switch",
        "keep_key",
        "BOOL",
        "false",
        "Leave DEEPGRAM_API_KEY in os.environ alone while a test uses voice_agent.",
        in_ini_only=True,
    ),
    Option(
        "dg_overrun_exit_code",
        "exit_code",
        "overrun_exit_code",
        "N",
        "1",
        "Exit status when the only failures are overruns.",
        in_ini_only=True,
    ),
)


def host_of(url: str) -> str:
    """Return the host of a URL, brackets included; empty when there is none."""
    authority = re.split(r"[/?#]", url.split("://", 1)[1], maxsplit=1)[0]
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::([0-9]{1,5}))?", authority)
    return match[1] if match and int(match[2] or 0) < 2**16 else ""
