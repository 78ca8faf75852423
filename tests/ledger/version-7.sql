BEGIN TRANSACTION;
CREATE TABLE archived (
        run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, file TEXT NOT NULL, at TEXT NOT NULL,
        began_at TEXT NOT NULL, ended_at TEXT NOT NULL, sessions INTEGER NOT NULL, ms BIGINT NOT NULL,
        micro_usd BIGINT, PRIMARY KEY (run, seq));
CREATE TABLE archived_request (request_id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run);
CREATE TABLE attempt (
        id TEXT PRIMARY KEY, invocation TEXT NOT NULL REFERENCES invocation, nodeid TEXT NOT NULL,
        worker TEXT NOT NULL, number INTEGER NOT NULL, budget_ms BIGINT, left_ms BIGINT, at TEXT NOT NULL,
        target TEXT, path TEXT, cost_budget_micro_usd BIGINT, cost_left_micro_usd BIGINT, UNIQUE (invocation, nodeid, worker, number));
INSERT INTO "attempt" VALUES('1a22fe9d8054b05f7608e05','invocation','test_x.py::test','',1,10000,10000,'2026-12-01T04:43:04.070Z',NULL,NULL,NULL,NULL);
INSERT INTO "attempt" VALUES('1a22fe9d8089e0076be7393','invocation','test_x.py::other','',1,NULL,NULL,'2026-12-01T04:43:04.072Z',NULL,NULL,NULL,NULL);
CREATE TABLE billed (
    lease TEXT NOT NULL REFERENCES lease, seq INTEGER NOT NULL, ms BIGINT, micro_usd BIGINT, at TEXT NOT NULL,
    PRIMARY KEY (lease, seq));
CREATE TABLE bypass (
        run TEXT NOT NULL REFERENCES run, attempt TEXT REFERENCES attempt, host TEXT NOT NULL, path TEXT NOT NULL,
        how TEXT NOT NULL, program TEXT NOT NULL, id TEXT, at TEXT NOT NULL);
INSERT INTO "bypass" VALUES('run','1a22fe9d8089e0076be7393','agent.deepgram.com','/v1/agent/converse','refused','app','bypass','2026-12-01T04:43:04.073Z');
CREATE TABLE closed_sum (
    scope TEXT NOT NULL, until BIGINT NOT NULL, seq INTEGER NOT NULL, ms BIGINT NOT NULL, micro_usd BIGINT NOT NULL,
    unpriced_ms BIGINT NOT NULL, cut_budget_ms BIGINT, cut_budget_micro_usd BIGINT, at TEXT NOT NULL, PRIMARY KEY (scope, until, seq));
CREATE TABLE dial (
        id TEXT PRIMARY KEY, lease TEXT NOT NULL REFERENCES lease, at TEXT NOT NULL, run_key TEXT, cassette TEXT, target TEXT);
INSERT INTO "dial" VALUES('1a22fe9d8065a306f42cf8c','1a22fe9d80616145af85039','2026-12-01T04:43:04.070Z',NULL,NULL,NULL);
CREATE TABLE invocation (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, host TEXT NOT NULL, pid INTEGER NOT NULL,
        budget_ms BIGINT, cost_budget_micro_usd BIGINT, prices_as_of TEXT, pace TEXT, plugin_version TEXT, at TEXT NOT NULL, may_bypass INTEGER);
INSERT INTO "invocation" VALUES('invocation','run','here',1,60000,NULL,'2026-06-25','vendor',NULL,'2026-12-01T04:43:04.067Z',0);
CREATE TABLE invocation_end (
        invocation TEXT PRIMARY KEY REFERENCES invocation, exit_status INTEGER, at TEXT NOT NULL);
INSERT INTO "invocation_end" VALUES('invocation',1,'2026-12-01T04:43:04.073Z');
CREATE TABLE lease (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, attempt TEXT NOT NULL REFERENCES attempt,
        scope TEXT NOT NULL, ms BIGINT NOT NULL, taken_at TEXT NOT NULL, ends_at TEXT NOT NULL, micro_usd BIGINT, currency TEXT, gateway TEXT, 
        number INTEGER);
INSERT INTO "lease" VALUES('1a22fe9d80616145af85039','run','1a22fe9d8054b05f7608e05','test',10000,'2026-12-01T04:43:04.070Z','2026-12-01T04:43:14.070Z',27167,'time','1a22fe9d7fcab40f3ef8cdd',1);
CREATE TABLE lease_end (
        lease TEXT PRIMARY KEY REFERENCES lease, how TEXT NOT NULL CHECK (how IN ('settled', 'orphaned')),
        ms BIGINT NOT NULL, micro_usd BIGINT, at TEXT NOT NULL);
INSERT INTO "lease_end" VALUES('1a22fe9d80616145af85039','settled',9800,12250,'2026-12-01T04:43:04.072Z');
CREATE TABLE outcome (attempt TEXT NOT NULL REFERENCES attempt, outcome TEXT NOT NULL, seq INTEGER NOT NULL);
INSERT INTO "outcome" VALUES('1a22fe9d8054b05f7608e05','failed',0);
INSERT INTO "outcome" VALUES('1a22fe9d8089e0076be7393','failed',0);
CREATE TABLE reconciliation (
    run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, verdict TEXT NOT NULL, at TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (run, seq));
INSERT INTO "reconciliation" VALUES('run',0,'pending','2026-12-01T04:43:04.073Z','{"verdict": "pending"}');
CREATE TABLE refusal (
        attempt TEXT NOT NULL REFERENCES attempt, scope TEXT NOT NULL, used_ms BIGINT NOT NULL,
        allowed_ms BIGINT NOT NULL, tolerated INTEGER NOT NULL, at TEXT NOT NULL, currency TEXT, used_micro_usd BIGINT, allowed_micro_usd BIGINT, label TEXT, id TEXT, 
        times INTEGER NOT NULL DEFAULT 1);
INSERT INTO "refusal" VALUES('1a22fe9d8089e0076be7393','run',9800,10000,0,'2026-12-01T04:43:04.072Z','time',NULL,NULL,'','refusal',1);
CREATE TABLE run (
        id TEXT PRIMARY KEY, target TEXT NOT NULL, billed INTEGER NOT NULL, tag TEXT NOT NULL, at TEXT NOT NULL);
INSERT INTO "run" VALUES('run','emulator',0,'dgbudget-run','2026-12-01T04:43:04.067Z');
CREATE TABLE run_key (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, invocation TEXT NOT NULL REFERENCES invocation,
        made_at TEXT NOT NULL);
INSERT INTO "run_key" VALUES('key','run','invocation','2026-12-01T04:43:04.073Z');
CREATE TABLE run_key_end (run_key TEXT PRIMARY KEY REFERENCES run_key, at TEXT NOT NULL);
INSERT INTO "run_key_end" VALUES('key','2026-12-01T04:43:04.073Z');
CREATE TABLE schema (writable_from INTEGER, version INTEGER NOT NULL);
INSERT INTO "schema" VALUES(6,7);
CREATE TABLE stated (
    lease TEXT NOT NULL REFERENCES lease, seq INTEGER NOT NULL, ms BIGINT NOT NULL, at TEXT NOT NULL,
    micro_usd BIGINT, PRIMARY KEY (lease, seq));
CREATE TABLE swept (number INTEGER PRIMARY KEY);
INSERT INTO "swept" VALUES(0);
CREATE TABLE tier_span (
        dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, from_ms BIGINT NOT NULL, ms BIGINT NOT NULL,
        tier TEXT, micro_usd_per_minute BIGINT NOT NULL, estimated INTEGER NOT NULL, PRIMARY KEY (dial, number));
INSERT INTO "tier_span" VALUES('1a22fe9d8065a306f42cf8c',1,0,9800,'standard',75000,0);
CREATE TABLE turn (
        dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, started_ms BIGINT NOT NULL, since TEXT NOT NULL,
        answered_ms BIGINT, overlapped INTEGER NOT NULL, unpaced INTEGER NOT NULL, continued INTEGER NOT NULL,
        function_ms BIGINT NOT NULL, PRIMARY KEY (dial, number));
INSERT INTO "turn" VALUES('1a22fe9d8065a306f42cf8c',1,1000,'audio',2200,0,0,0,0);
CREATE TABLE usage (
        id TEXT PRIMARY KEY, dial TEXT NOT NULL REFERENCES dial, supersedes TEXT UNIQUE REFERENCES usage,
        request_id TEXT, closed_at TEXT, ms BIGINT, handshake_ms BIGINT, audio_in_ms BIGINT, audio_out_ms BIGINT,
        closed_by TEXT NOT NULL, close_code INTEGER, confirmed INTEGER NOT NULL, tagged INTEGER, closing_ms BIGINT, tier TEXT, micro_usd BIGINT, estimated INTEGER, greeting_ms BIGINT, skipped_ms BIGINT, forecast_micro_usd BIGINT, forecast_cut INTEGER, recording TEXT, cut_currency TEXT, cut_label TEXT, cut_used BIGINT, cut_allowed BIGINT, cut_also_used BIGINT, vendor_reports INTEGER, 
        reason TEXT);
INSERT INTO "usage" VALUES('1a22fe9d80799333b797079','1a22fe9d8065a306f42cf8c',NULL,'request','2026-12-01T04:43:04.071Z',9800,5,NULL,0,'test-budget',1000,1,1,NULL,'standard',12250,0,NULL,NULL,NULL,0,NULL,'time','',9800,10000,NULL,2,NULL);
CREATE TABLE vendor_latency (
    dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, ms BIGINT NOT NULL, PRIMARY KEY (dial, number));
INSERT INTO "vendor_latency" VALUES('1a22fe9d8065a306f42cf8c',1,700);
INSERT INTO "vendor_latency" VALUES('1a22fe9d8065a306f42cf8c',2,900);
CREATE TABLE violation (
        dial TEXT NOT NULL REFERENCES dial, number INTEGER NOT NULL, rule TEXT NOT NULL, at_ms BIGINT NOT NULL,
        what TEXT NOT NULL, PRIMARY KEY (dial, number));
INSERT INTO "violation" VALUES('1a22fe9d8065a306f42cf8c',1,'no-error',3000,'the agent sent an Error');
CREATE TABLE wait (waits_for TEXT, id TEXT, attempt TEXT NOT NULL REFERENCES attempt, ms BIGINT NOT NULL);
INSERT INTO "wait" VALUES('run','wait','1a22fe9d8089e0076be7393',1500);
CREATE TABLE waiter (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, gateway TEXT NOT NULL, waits_for TEXT, at TEXT NOT NULL);
CREATE TABLE welcome (dial TEXT PRIMARY KEY REFERENCES dial, request_id TEXT, handshake_ms BIGINT NOT NULL);
INSERT INTO "welcome" VALUES('1a22fe9d8065a306f42cf8c','request',5);
CREATE INDEX outcome_of_attempt ON outcome (attempt);
CREATE INDEX wait_of_attempt ON wait (attempt);
CREATE INDEX refusal_of_attempt ON refusal (attempt);
CREATE INDEX lease_of_attempt ON lease (attempt);
CREATE INDEX dial_of_lease ON dial (lease);
CREATE UNIQUE INDEX usage_once ON usage (dial) WHERE supersedes IS NULL;
CREATE INDEX invocation_of_run ON invocation (run);
CREATE UNIQUE INDEX lease_in_order ON lease (number);
CREATE INDEX usage_of_dial ON usage (dial);
CREATE INDEX bypass_of_run ON bypass (run);
CREATE INDEX bypass_of_attempt ON bypass (attempt);
CREATE INDEX lease_in_run ON lease (run, number);
CREATE INDEX lease_by_time ON lease (taken_at);
CREATE INDEX run_by_time ON run (at);
CREATE INDEX attempt_of_test ON attempt (nodeid, at);
CREATE INDEX run_key_of_run ON run_key (run);
CREATE INDEX run_key_of_invocation ON run_key (invocation);
CREATE INDEX run_key_by_time ON run_key (made_at);
CREATE INDEX archived_by_end ON archived (ended_at);
CREATE INDEX archived_request_of_run ON archived_request (run);
CREATE UNIQUE INDEX wait_once ON wait (id);
CREATE UNIQUE INDEX refusal_once ON refusal (id);
CREATE UNIQUE INDEX bypass_once ON bypass (id);
COMMIT;
