BEGIN TRANSACTION;
CREATE TABLE attempt (
        id TEXT PRIMARY KEY, invocation TEXT NOT NULL REFERENCES invocation, nodeid TEXT NOT NULL,
        worker TEXT NOT NULL, number INTEGER NOT NULL, budget_ms BIGINT, left_ms BIGINT, at TEXT NOT NULL,
        target TEXT, UNIQUE (invocation, nodeid, worker, number));
INSERT INTO "attempt" VALUES('bf5905959456ba38','invocation','test_x.py::test','',1,10000,10000,'2026-11-30T00:16:36.869Z',NULL);
INSERT INTO "attempt" VALUES('301e84078e845012','invocation','test_x.py::test','',2,10000,8000,'2026-11-30T00:16:36.871Z','emulator');
CREATE TABLE bypass (
        run TEXT NOT NULL REFERENCES run, attempt TEXT REFERENCES attempt, host TEXT NOT NULL, path TEXT NOT NULL,
        how TEXT NOT NULL, program TEXT NOT NULL, at TEXT NOT NULL);
INSERT INTO "bypass" VALUES('run','301e84078e845012','agent.deepgram.com','/v1/agent/converse','passed','app','2026-11-30T00:16:36.872Z');
CREATE TABLE dial (id TEXT PRIMARY KEY, lease TEXT NOT NULL REFERENCES lease, at TEXT NOT NULL, target TEXT);
INSERT INTO "dial" VALUES('ac53052e22956134','9bb56767035dc443','2026-11-30T00:16:36.870Z',NULL);
INSERT INTO "dial" VALUES('ebff261c44ff8d09','62a90de0730ebcd0','2026-11-30T00:16:36.871Z','emulator');
CREATE TABLE invocation (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, host TEXT NOT NULL, pid INTEGER NOT NULL,
        budget_ms BIGINT, at TEXT NOT NULL, may_bypass INTEGER);
INSERT INTO "invocation" VALUES('invocation','run','here',1,60000,'2026-11-30T00:16:36.867Z',0);
INSERT INTO "invocation" VALUES('second','run','here',1,60000,'2026-11-30T00:16:36.878Z',0);
CREATE TABLE invocation_end (
        invocation TEXT PRIMARY KEY REFERENCES invocation, exit_status INTEGER, at TEXT NOT NULL);
INSERT INTO "invocation_end" VALUES('second',0,'2026-11-30T00:16:36.879Z');
CREATE TABLE lease (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, attempt TEXT NOT NULL REFERENCES attempt,
        scope TEXT NOT NULL, ms BIGINT NOT NULL, taken_at TEXT NOT NULL, ends_at TEXT NOT NULL, number INTEGER);
INSERT INTO "lease" VALUES('9bb56767035dc443','run','bf5905959456ba38','test',10000,'2026-11-30T00:16:36.870Z','2026-11-30T00:16:46.870Z',1);
INSERT INTO "lease" VALUES('62a90de0730ebcd0','run','301e84078e845012','test',8000,'2026-11-30T00:16:36.871Z','2026-11-30T00:16:44.871Z',2);
CREATE TABLE lease_end (
        lease TEXT PRIMARY KEY REFERENCES lease, how TEXT NOT NULL CHECK (how IN ('settled', 'orphaned')),
        ms BIGINT NOT NULL, at TEXT NOT NULL);
INSERT INTO "lease_end" VALUES('9bb56767035dc443','settled',2000,'2026-11-30T00:16:36.871Z');
INSERT INTO "lease_end" VALUES('62a90de0730ebcd0','orphaned',8000,'2026-11-30T00:16:36.878Z');
CREATE TABLE outcome (attempt TEXT NOT NULL REFERENCES attempt, outcome TEXT NOT NULL, seq INTEGER NOT NULL);
INSERT INTO "outcome" VALUES('bf5905959456ba38','rerun',0);
CREATE TABLE reconciliation (
    run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, verdict TEXT NOT NULL, at TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (run, seq));
INSERT INTO "reconciliation" VALUES('run',0,'inconclusive','2026-11-30T00:16:36.879Z','{"verdict": "inconclusive"}');
CREATE TABLE refusal (
        attempt TEXT NOT NULL REFERENCES attempt, scope TEXT NOT NULL, used_ms BIGINT NOT NULL,
        allowed_ms BIGINT NOT NULL, tolerated INTEGER NOT NULL, at TEXT NOT NULL, times INTEGER NOT NULL DEFAULT 1);
INSERT INTO "refusal" VALUES('301e84078e845012','test',1,2,0,'2026-11-30T00:16:36.871Z',1);
CREATE TABLE run (
        id TEXT PRIMARY KEY, target TEXT NOT NULL, billed INTEGER NOT NULL, tag TEXT NOT NULL, at TEXT NOT NULL);
INSERT INTO "run" VALUES('run','emulator',0,'dgbudget-run','2026-11-30T00:16:36.867Z');
CREATE TABLE schema (version INTEGER NOT NULL);
INSERT INTO "schema" VALUES(4);
CREATE TABLE stated (
    lease TEXT NOT NULL REFERENCES lease, seq INTEGER NOT NULL, ms BIGINT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (lease, seq));
CREATE TABLE swept (number INTEGER PRIMARY KEY);
INSERT INTO "swept" VALUES(0);
INSERT INTO "swept" VALUES(2);
CREATE TABLE usage (
        id TEXT PRIMARY KEY, dial TEXT NOT NULL REFERENCES dial, supersedes TEXT UNIQUE REFERENCES usage,
        request_id TEXT, closed_at TEXT, ms BIGINT, handshake_ms BIGINT, audio_in_ms BIGINT, audio_out_ms BIGINT,
        closed_by TEXT NOT NULL, close_code INTEGER, confirmed INTEGER NOT NULL, tagged INTEGER, reason TEXT);
INSERT INTO "usage" VALUES('9f1a50475ebda41a','ac53052e22956134',NULL,'request','2026-11-30T00:16:36.870Z',2000,5,NULL,0,'client',1000,1,1,NULL);
INSERT INTO "usage" VALUES('ce54b78e2982d08f','ebff261c44ff8d09',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'gateway-lost',NULL,0,NULL,NULL);
CREATE TABLE wait (attempt TEXT NOT NULL REFERENCES attempt, ms BIGINT NOT NULL);
INSERT INTO "wait" VALUES('301e84078e845012',20);
CREATE TABLE welcome (dial TEXT PRIMARY KEY REFERENCES dial, request_id TEXT, handshake_ms BIGINT NOT NULL);
INSERT INTO "welcome" VALUES('ac53052e22956134','request',5);
CREATE INDEX outcome_of_attempt ON outcome (attempt);
CREATE INDEX wait_of_attempt ON wait (attempt);
CREATE INDEX refusal_of_attempt ON refusal (attempt);
CREATE INDEX lease_of_run ON lease (run);
CREATE INDEX lease_of_attempt ON lease (attempt);
CREATE INDEX dial_of_lease ON dial (lease);
CREATE UNIQUE INDEX usage_once ON usage (dial) WHERE supersedes IS NULL;
CREATE INDEX invocation_of_run ON invocation (run);
CREATE UNIQUE INDEX lease_in_order ON lease (number);
CREATE INDEX usage_of_dial ON usage (dial);
CREATE INDEX bypass_of_run ON bypass (run);
CREATE INDEX bypass_of_attempt ON bypass (attempt);
COMMIT;
