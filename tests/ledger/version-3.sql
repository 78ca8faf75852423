BEGIN TRANSACTION;
CREATE TABLE attempt (
        id TEXT PRIMARY KEY, invocation TEXT NOT NULL REFERENCES invocation, nodeid TEXT NOT NULL,
        worker TEXT NOT NULL, number INTEGER NOT NULL, budget_ms BIGINT, left_ms BIGINT, at TEXT NOT NULL,
        target TEXT, UNIQUE (invocation, nodeid, worker, number));
INSERT INTO "attempt" VALUES('8f18bcbdf0aad825','invocation','test_x.py::test','',1,10000,10000,'2026-11-29T07:21:06.822Z',NULL);
INSERT INTO "attempt" VALUES('ff46c72368517379','invocation','test_x.py::test','',2,10000,8000,'2026-11-29T07:21:06.823Z','emulator');
CREATE TABLE dial (id TEXT PRIMARY KEY, lease TEXT NOT NULL REFERENCES lease, at TEXT NOT NULL, target TEXT);
INSERT INTO "dial" VALUES('6a858e3900e71642','5da2cf867d9e2c88','2026-11-29T07:21:06.822Z',NULL);
INSERT INTO "dial" VALUES('f96ca31db41bb739','eb526c0a3e490c8f','2026-11-29T07:21:06.823Z','emulator');
CREATE TABLE invocation (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, host TEXT NOT NULL, pid INTEGER NOT NULL,
        budget_ms BIGINT, at TEXT NOT NULL);
INSERT INTO "invocation" VALUES('invocation','run','here',1,60000,'2026-11-29T07:21:06.820Z');
INSERT INTO "invocation" VALUES('second','run','here',1,60000,'2026-11-29T07:21:06.826Z');
CREATE TABLE invocation_end (
        invocation TEXT PRIMARY KEY REFERENCES invocation, exit_status INTEGER, at TEXT NOT NULL);
INSERT INTO "invocation_end" VALUES('second',0,'2026-11-29T07:21:06.827Z');
CREATE TABLE lease (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, attempt TEXT NOT NULL REFERENCES attempt,
        scope TEXT NOT NULL, ms BIGINT NOT NULL, taken_at TEXT NOT NULL, ends_at TEXT NOT NULL, number INTEGER);
INSERT INTO "lease" VALUES('5da2cf867d9e2c88','run','8f18bcbdf0aad825','test',10000,'2026-11-29T07:21:06.822Z','2026-11-29T07:21:16.822Z',1);
INSERT INTO "lease" VALUES('eb526c0a3e490c8f','run','ff46c72368517379','test',8000,'2026-11-29T07:21:06.823Z','2026-11-29T07:21:14.823Z',2);
CREATE TABLE lease_end (
        lease TEXT PRIMARY KEY REFERENCES lease, how TEXT NOT NULL CHECK (how IN ('settled', 'orphaned')),
        ms BIGINT NOT NULL, at TEXT NOT NULL);
INSERT INTO "lease_end" VALUES('5da2cf867d9e2c88','settled',2000,'2026-11-29T07:21:06.823Z');
INSERT INTO "lease_end" VALUES('eb526c0a3e490c8f','orphaned',8000,'2026-11-29T07:21:06.826Z');
CREATE TABLE outcome (attempt TEXT NOT NULL REFERENCES attempt, outcome TEXT NOT NULL, seq INTEGER NOT NULL);
INSERT INTO "outcome" VALUES('8f18bcbdf0aad825','passed',0);
CREATE TABLE reconciliation (
    run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, verdict TEXT NOT NULL, at TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (run, seq));
INSERT INTO "reconciliation" VALUES('run',0,'pending','2026-11-29T07:21:06.827Z','{"verdict": "pending"}');
CREATE TABLE refusal (
        attempt TEXT NOT NULL REFERENCES attempt, scope TEXT NOT NULL, used_ms BIGINT NOT NULL,
        allowed_ms BIGINT NOT NULL, tolerated INTEGER NOT NULL, at TEXT NOT NULL, times INTEGER NOT NULL DEFAULT 1);
CREATE TABLE run (
        id TEXT PRIMARY KEY, target TEXT NOT NULL, billed INTEGER NOT NULL, tag TEXT NOT NULL, at TEXT NOT NULL);
INSERT INTO "run" VALUES('run','emulator',0,'dgbudget-run','2026-11-29T07:21:06.820Z');
CREATE TABLE schema (version INTEGER NOT NULL);
INSERT INTO "schema" VALUES(3);
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
INSERT INTO "usage" VALUES('6905218f09cff5c0','6a858e3900e71642',NULL,'request','2026-11-29T07:21:06.822Z',2000,5,NULL,0,'client',1000,1,1,NULL);
INSERT INTO "usage" VALUES('b3970b33847ced7e','f96ca31db41bb739',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'gateway-lost',NULL,0,NULL,NULL);
CREATE TABLE wait (attempt TEXT NOT NULL REFERENCES attempt, ms BIGINT NOT NULL);
CREATE TABLE welcome (dial TEXT PRIMARY KEY REFERENCES dial, request_id TEXT, handshake_ms BIGINT NOT NULL);
INSERT INTO "welcome" VALUES('6a858e3900e71642','request',5);
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
COMMIT;
