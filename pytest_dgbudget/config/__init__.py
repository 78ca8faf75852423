"""What can be set: the table of options, one row for each, with all there is to say about it.

The plugin registers it with pytest, ``resolve`` makes the RunConfig of what was given, and a test compares the
documentation with it. It is loaded at every start of pytest, so it is the package itself rather than one module more,
and imports nothing else of ours: a row names its parser, a function of ``parsing``.
"""

from __future__ import annotations

import re
from typing import Any

API_KEY_VARIABLE = "DEEPGRAM_API_KEY"
# What SDK 4 takes before the key.
ACCESS_TOKEN_VARIABLE = "DEEPGRAM_ACCESS_TOKEN"
ACTIVE_VARIABLE = "DGBUDGET_ACTIVE"
AGENT_URL_VARIABLE = "DGBUDGET_AGENT_URL"
BASE_URL_VARIABLE = "DGBUDGET_BASE_URL"
TARGET_VARIABLE = "DGBUDGET_TARGET"
APP_TOKEN_VARIABLE = "DG_APP_TOKEN"
# GitHub sets them in each step of a job: the file of the step's summary; and "true", where output may hold annotations.
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
ANNOTATING_VARIABLE = "GITHUB_ACTIONS"
# How an xdist worker learns of its run before its conftests are imported.
WORKER_VARIABLE = "DGBUDGET_WORKER"

# An option of the command line alone, and the file that takes the plan as JSON.
PLAN_FLAG = "--dg-plan"
PLAN_VARIABLE = "DGBUDGET_PLAN_FILE"
# What the pytest that only collects tests for ``dgbudget cassettes`` is told, as JSON.
COLLECTED_VARIABLE = "DGBUDGET_COLLECTED"

DEFAULT_AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"
DEFAULT_API_URL = "https://api.deepgram.com"
DEFAULT_LEDGER = "sqlite:///.dgbudget/ledger.db"


class Option:
    """One setting: ini key ``name``, flag ``--dg-…`` (``in_ini_only``: none), variable ``environment``.

    ``parser`` is the name of a function of ``parsing``, whose value becomes ``field`` of RunConfig. A path is relative
    to the ``rootdir``, or (``given``) to the current directory if it was typed by hand. ``bare`` is what the flag means
    by itself; None: it needs a value.
    Not a dataclass: every start of pytest would pay for making one.
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
        bare: str | None = None,
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
        self.bare = bare

    @property
    def argparse_values(self) -> dict[str, Any]:
        """What argparse is told of an option whose value may be left out."""
        return {} if self.bare is None else {"nargs": "?", "const": self.bare}

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


OPTIONS = (
    Option(
        "dg_budget",
        "run_time",
        "budget_ms",
        "TIME",
        None,
        "Run budget: connection time summed over all sessions of all workers, such as 10m or 1h30m.",
        "DG_BUDGET",
    ),
    Option(
        "dg_cost_budget",
        "run_usd",
        "cost_budget_micro_usd",
        "USD",
        None,
        "Run budget in US dollars, such as 0.50 or 5, beside or instead of --dg-budget: whichever is reached first.",
        "DG_COST_BUDGET",
    ),
    Option(
        "dg_test_budget",
        "each_test_time",
        "test_budget_ms",
        "TIME",
        "60s",
        "Budget of each test without one of its own, reruns included; or off.",
    ),
    Option(
        "dg_idle_timeout",
        "time_or_off",
        "idle_ms",
        "TIME",
        "30s",
        "Close a session in which nothing but keep-alives has moved for this long; or off.",
    ),
    Option(
        "dg_max_sessions",
        "max_sessions",
        "max_sessions",
        "N",
        "15",
        "Sessions that may be open at once; others wait, unbilled, first come, first served.",
    ),
    Option(
        "dg_on_exhausted",
        "on_exhausted",
        "on_exhausted",
        "POLICY",
        "fail",
        "What happens to a test that asks for a session when a budget that tests share (of the run, of a path in one "
        "run, of a window) is spent: fail, skip, or stop the run.",
    ),
    Option(
        "dg_target",
        "target",
        "target",
        "TARGET",
        "auto",
        "live, emulator, replay (cassettes, which cost nothing), or auto: live when DEEPGRAM_API_KEY holds a key and a "
        "run budget was given on the command line or in the environment, otherwise the emulator.",
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
        "Management API, for the vendor's statement.",
        "DG_API_URL",
    ),
    Option(
        "dg_project",
        "project",
        "project",
        "ID",
        None,
        "Project to reconcile with; by default the key's only one.",
        "DEEPGRAM_PROJECT_ID",
    ),
    Option(
        "dg_run_id",
        "run_id",
        "run_id",
        "ID",
        None,
        "Id of the run; a later run with the same id continues with what is left of the budget. Generated by default.",
        "DG_RUN_ID",
    ),
    Option(
        "dg_ledger",
        "ledger",
        "ledger",
        "URL",
        DEFAULT_LEDGER,
        "Durable record of what was spent: sqlite:///PATH, relative to the rootdir, or postgresql://[USER@]HOST/DATABASE.",
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
        "Compare with the vendor's statement at the end: off, warn, or require (fail the run unless it is reconciled).",
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
        "How far the vendor's figure for a session may differ from ours: the larger of the two.",
    ),
    Option(
        "dg_drift",
        "percentage",
        "drift_share",
        "PERCENT",
        "0.5%",
        "How far the sum of many sessions may differ from the vendor's beside what may be of each: a share of ours.",
        in_ini_only=True,
    ),
    Option(
        "dg_run_key",
        "run_key",
        "run_key",
        "HOW",
        "off",
        "Dial with a short-lived key that is made for the run and deleted afterwards: off, on (also without a value; "
        "where none can be made, the run goes on with the given key), or require (then nothing is opened).",
        bare="on",
    ),
    Option(
        "dg_run_key_scopes",
        "scopes",
        "run_key_scopes",
        "SCOPES",
        "usage:write",
        "What the key of --dg-run-key may do, separated by commas or blanks.",
        in_ini_only=True,
    ),
    Option(
        "dg_credit",
        "credit",
        "credit",
        "WHEN",
        "warn",
        "The project's balance when a live run opens its first session: off; warn, when it is below what the run may "
        "spend; or require (then, or where it can't be read, nothing is opened).",
        in_ini_only=True,
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
        "dg_junit_properties",
        "junit_properties",
        "junit_properties",
        "WHERE",
        "testcase",
        "Where the JUnit file has its figures: in properties of each testcase; suite (the testsuite's properties and a "
        "line in each testcase's system-out, for strict readers); or off.",
        in_ini_only=True,
    ),
    Option(
        "dg_redirect",
        "redirect",
        "redirect",
        "HOW",
        "clients",
        "Clients that would dial the agent themselves: clients (they are redirected, what can't be is refused), refuse "
        "(all are refused), warn (what can't be redirected is let through and reported), or off.",
    ),
    Option(
        "dg_redirect_children",
        "switch",
        "redirect_children",
        "BOOL",
        "true",
        "Redirect Python and Node child processes too (PYTHONPATH, NODE_OPTIONS).",
        in_ini_only=True,
    ),
    Option(
        "dg_listen",
        "listen",
        "listen",
        "WHERE",
        None,
        "Where else the gateway listens, for applications in containers and on other hosts: ADDRESS, ADDRESS:PORT, or "
        ":PORT on loopback.",
        "DG_LISTEN",
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
        "FILE[::NAME]",
        None,
        "What the emulator's agent does: the first scenario of a TOML file, or FILE::NAME.",
        relative_to="given",
    ),
    Option(
        "dg_pace",
        "pace",
        "pace",
        "PACE",
        "vendor",
        "How the emulator and replays spend time: vendor (as the real service was seen to; as recorded), or max (no "
        "waiting of their own; the report has a forecast of what a live run would use).",
    ),
    Option(
        "dg_record",
        "record",
        "record",
        "MODE",
        "none",
        "Keep the sessions of live tests that pass as cassettes: none; once (replay those that there are, record the "
        "others); or rewrite (record all again).",
    ),
    Option(
        "dg_cassette_dir",
        "path",
        "cassette_dir",
        "DIR",
        None,
        "Where cassettes are; by default in cassettes/ beside the test file.",
        relative_to="given",
    ),
    Option(
        "dg_cassette_ignore",
        "cassette_ignore",
        "cassette_ignore",
        "POINTERS",
        None,
        "What a replay lets change in the client's messages, one a line: a message's type and a JSON pointer into it, "
        "such as Settings/agent/think/prompt; * is any element.",
        in_ini_only=True,
    ),
    Option(
        "dg_cassette_audio",
        "cassette_audio",
        "cassette_audio",
        "HOW",
        "length",
        "How a replay compares the user's audio: exact (sample by sample), length (within 5 %), or any (not at all).",
        in_ini_only=True,
    ),
    Option(
        "dg_regression",
        "regression",
        "regression",
        "WHEN",
        "warn",
        "Compare spend and latency with earlier runs: off, warn, or fail (a regression fails the run).",
    ),
    Option(
        "dg_leaks",
        "leaks",
        "leaks",
        "WHEN",
        "report",
        "Sessions that a test leaves open, for its teardown to close: report (one line at the end), or fail.",
        in_ini_only=True,
    ),
    Option(
        "dg_check_protocol",
        "check_protocol",
        "check_protocol",
        "WHEN",
        "warn",
        "Sessions whose messages broke the protocol's order: off, warn, or fail their test.",
        in_ini_only=True,
    ),
    Option(
        "dg_artifacts",
        "artifacts",
        "artifacts",
        "WHEN",
        "on-failure",
        "Whose transcripts and events are kept beside the report: off, on-failure (of tests that failed) or always.",
        in_ini_only=True,
    ),
    Option(
        "dg_artifacts_audio",
        "switch",
        "artifacts_audio",
        "BOOL",
        "false",
        "Keep what was heard as well, in a WAV file for each session. Voices are personal data.",
        in_ini_only=True,
    ),
    Option(
        "dg_scrub",
        "patterns",
        "scrub",
        "PATTERNS",
        None,
        "Regular expressions, one a line: what matches is replaced in recordings, artifacts and cassettes.",
        in_ini_only=True,
    ),
    Option(
        "dg_cassette_max_age",
        "cassette_max_age",
        "cassette_max_age",
        "AGE",
        None,
        "How old a cassette may be, such as 90d: of one that is replayed and older, the run warns; 90d fail: its test "
        "fails.",
        in_ini_only=True,
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
        "dg_key_variables",
        "key_variables",
        "key_variables",
        "NAMES",
        API_KEY_VARIABLE,
        "Variables that hold the key, separated by commas: the first that is set is the key; in a run with a budget or "
        "a target, each that is set gets a token in its place.",
        in_ini_only=True,
    ),
    Option(
        "dg_pass_other",
        "switch",
        "pass_other",
        "BOOL",
        "false",
        "Pass what is not metered (listen, speak, in live runs the management API) on to Deepgram with the real key.",
        in_ini_only=True,
    ),
    Option(
        "dg_allowed_hosts",
        "hosts",
        "allowed_hosts",
        "HOSTS",
        "host.docker.internal",
        "Host headers that the gateway accepts beside its own: NAME (with its port), NAME:PORT, NAME:*.",
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


# With one of these a run is ours; a pytest inside a run has them of its own only where it is given them itself.
MAKE_IT_OURS = ("dg_budget", "dg_cost_budget", "dg_target")
# What a pytest inside a run takes from its own arguments alone.
NEVER_INHERITED = (*MAKE_IT_OURS, "dg_record")

# All that is read of the environment, but for the key.
VARIABLES = (
    *(ACTIVE_VARIABLE, APP_TOKEN_VARIABLE, SUMMARY_VARIABLE, ANNOTATING_VARIABLE),
    *(o.environment for o in OPTIONS if o.environment is not None),
)
