"""Names and numbers that both ends of a connection know. Clients meet them all, except the control ones."""

from __future__ import annotations

CONTROL_PATH = "/control"
CONTROL_UPGRADE = "dgbudget-control"
# Who asks for a control connection shows at once that it knows the secret: for a stranger, no gateway is started.
KNOCK_HEADER = "x-dgbudget-knock"
# A worker that asks for one only in case that a gateway starts: it is kept waiting until then.
WAIT_HEADER = "x-dgbudget-wait"

# The vendor's own path (its AsyncAPI file of 2026-07-22), and an older one that clients still ask for.
AGENT_PATH = "/v1/agent/converse"
OLD_AGENT_PATH = "/agent"

# What a redirected client asks for at another host of the vendor's: /to/HOST/PATH.
OTHER_HOST_PREFIX = "/to/"
# A redirected client that showed neither a key nor a token shows this before its process's token.
WRONG_CREDENTIAL_PREFIX = "invalid-"
# Where temporary tokens are made, as at the vendor.
GRANT_PATH = "/v1/auth/grant"
# Where a process reports a session that it refused, or let pass, because it could not be redirected.
BYPASS_PATH = "/bypass"

# Headers of ours: what a session's 101 carries (of a replay, its pace as well), and what a dial of the emulator does.
SESSION_HEADER = "x-dgbudget-session"
REPLAY_HEADER = "x-dgbudget-replay"
GRANT_HEADER = "x-dgbudget-grant"
SCENARIO_HEADER = "x-dgbudget-scenario"
PACE_HEADER = "x-dgbudget-pace"

# Close codes: why the gateway closed a session; the reason in the Close says it in words.
BUDGET_USED_UP = 4402
IDLE = 4408
CASSETTE_MISMATCH = 4409
TEST_OVER = 4410
UPSTREAM_LOST = 4503

# Why the gateway refused a request, in the ``err_code`` of its answer.
REFUSAL_PREFIX = "DGBUDGET_"
AMBIGUOUS = "DGBUDGET_AMBIGUOUS"
BAD_REQUEST = "DGBUDGET_BAD_REQUEST"
EMULATOR = "DGBUDGET_EMULATOR"
EXHAUSTED = "DGBUDGET_EXHAUSTED"
GATEWAY_LOST = "DGBUDGET_GATEWAY_LOST"
IDLE_AGAIN = "DGBUDGET_IDLE"
INTERNAL = "DGBUDGET_INTERNAL"
LEDGER = "DGBUDGET_LEDGER"
MISMATCH = "DGBUDGET_MISMATCH"
NOT_FOUND = "DGBUDGET_NOT_FOUND"
NO_CASSETTE = "DGBUDGET_NO_CASSETTE"
NO_TEST = "DGBUDGET_NO_TEST"
NOT_METERED = "DGBUDGET_NOT_METERED"
OPEN_FILES = "DGBUDGET_OPEN_FILES"
RUN_KEY = "DGBUDGET_RUN_KEY"
CREDIT = "DGBUDGET_CREDIT"
UNAUTHORIZED = "DGBUDGET_UNAUTHORIZED"
UPSTREAM = "DGBUDGET_UPSTREAM"
WRONG_HOST = "DGBUDGET_WRONG_HOST"

# The vendor's own code for a key that it does not know.
INVALID_AUTH = "INVALID_AUTH"
