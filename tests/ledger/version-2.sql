BEGIN TRANSACTION;
CREATE TABLE attempt (
        id TEXT PRIMARY KEY, invocation TEXT NOT NULL REFERENCES invocation, nodeid TEXT NOT NULL,
        worker TEXT NOT NULL, number INTEGER NOT NULL, budget_ms BIGINT, left_ms BIGINT, at TEXT NOT NULL,
        UNIQUE (invocation, nodeid, worker, number));
INSERT INTO "attempt" VALUES('ba9ce2a33404c89f','invocation','test_x.py::test','',1,10000,10000,'2026-11-28T13:56:48.744Z');
INSERT INTO "attempt" VALUES('44d6d4384142a6e4','invocation','test_x.py::test','',2,10000,8000,'2026-11-28T13:56:48.746Z');
CREATE TABLE dial (id TEXT PRIMARY KEY, lease TEXT NOT NULL REFERENCES lease, at TEXT NOT NULL);
INSERT INTO "dial" VALUES('500db2188870e131','652f3bbcbe926262','2026-11-28T13:56:48.745Z');
INSERT INTO "dial" VALUES('4a254ef96db58986','7af16c908e76cde2','2026-11-28T13:56:48.746Z');
CREATE TABLE invocation (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, host TEXT NOT NULL, pid INTEGER NOT NULL,
        budget_ms BIGINT, at TEXT NOT NULL);
INSERT INTO "invocation" VALUES('invocation','run','here',1,60000,'2026-11-28T13:56:48.718Z');
INSERT INTO "invocation" VALUES('second','run','here',1,60000,'2026-11-28T13:56:48.761Z');
CREATE TABLE invocation_end (
        invocation TEXT PRIMARY KEY REFERENCES invocation, exit_status INTEGER, at TEXT NOT NULL);
INSERT INTO "invocation_end" VALUES('second',0,'2026-11-28T13:56:48.764Z');
CREATE TABLE lease (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, attempt TEXT NOT NULL REFERENCES attempt,
        scope TEXT NOT NULL, ms BIGINT NOT NULL, taken_at TEXT NOT NULL, ends_at TEXT NOT NULL);
INSERT INTO "lease" VALUES('652f3bbcbe926262','run','ba9ce2a33404c89f','test',10000,'2026-11-28T13:56:48.745Z','2026-11-28T13:56:58.745Z');
INSERT INTO "lease" VALUES('7af16c908e76cde2','run','44d6d4384142a6e4','test',8000,'2026-11-28T13:56:48.746Z','2026-11-28T13:56:56.746Z');
CREATE TABLE lease_end (
        lease TEXT PRIMARY KEY REFERENCES lease, how TEXT NOT NULL CHECK (how IN ('settled', 'orphaned')),
        ms BIGINT NOT NULL, at TEXT NOT NULL);
INSERT INTO "lease_end" VALUES('652f3bbcbe926262','settled',2000,'2026-11-28T13:56:48.745Z');
INSERT INTO "lease_end" VALUES('7af16c908e76cde2','orphaned',8000,'2026-11-28T13:56:48.761Z');
CREATE TABLE outcome (attempt TEXT NOT NULL REFERENCES attempt, outcome TEXT NOT NULL, seq INTEGER NOT NULL);
INSERT INTO "outcome" VALUES('ba9ce2a33404c89f','passed',0);
INSERT INTO "outcome" VALUES('ba9ce2a33404c89f','rerun',1);
INSERT INTO "outcome" VALUES('44d6d4384142a6e4','error',0);
CREATE TABLE reconciliation (
    run TEXT NOT NULL REFERENCES run, seq INTEGER NOT NULL, verdict TEXT NOT NULL, at TEXT NOT NULL,
    document TEXT NOT NULL, PRIMARY KEY (run, seq));
INSERT INTO "reconciliation" VALUES('run',0,'pending','2026-11-28T13:56:48.764Z','{"verdict": "pending"}');
INSERT INTO "reconciliation" VALUES('run',1,'inconclusive','2026-11-28T13:56:48.764Z','{"verdict": "inconclusive"}');
CREATE TABLE refusal (
        attempt TEXT NOT NULL REFERENCES attempt, scope TEXT NOT NULL, used_ms BIGINT NOT NULL,
        allowed_ms BIGINT NOT NULL, tolerated INTEGER NOT NULL, at TEXT NOT NULL);
CREATE TABLE run (
        id TEXT PRIMARY KEY, target TEXT NOT NULL, billed INTEGER NOT NULL, tag TEXT NOT NULL, at TEXT NOT NULL);
INSERT INTO "run" VALUES('run','emulator',0,'dgbudget-run','2026-11-28T13:56:48.718Z');
CREATE TABLE schema (version INTEGER NOT NULL);
INSERT INTO "schema" VALUES(2);
CREATE TABLE stated (
    lease TEXT NOT NULL REFERENCES lease, seq INTEGER NOT NULL, ms BIGINT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (lease, seq));
INSERT INTO "stated" VALUES('7af16c908e76cde2',0,4000,'2026-11-28T13:56:48.763Z');
INSERT INTO "stated" VALUES('7af16c908e76cde2',1,3000,'2026-11-28T13:56:48.764Z');
CREATE TABLE usage (
        id TEXT PRIMARY KEY, dial TEXT NOT NULL REFERENCES dial, supersedes TEXT UNIQUE REFERENCES usage,
        request_id TEXT, closed_at TEXT, ms BIGINT, handshake_ms BIGINT, audio_in_ms BIGINT, audio_out_ms BIGINT,
        closed_by TEXT NOT NULL, close_code INTEGER, confirmed INTEGER NOT NULL, tagged INTEGER);
INSERT INTO "usage" VALUES('02ab3e41d28b1599','500db2188870e131',NULL,'request','2026-11-28T13:56:48.745Z',2000,5,NULL,0,'client',1000,1,1);
INSERT INTO "usage" VALUES('e8a879dcd05037a9','4a254ef96db58986',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'gateway-lost',NULL,0,NULL);
CREATE TABLE wait (attempt TEXT NOT NULL REFERENCES attempt, ms BIGINT NOT NULL);
CREATE TABLE welcome (dial TEXT PRIMARY KEY REFERENCES dial, request_id TEXT, handshake_ms BIGINT NOT NULL);
INSERT INTO "welcome" VALUES('500db2188870e131','request',5);
CREATE INDEX outcome_of_attempt ON outcome (attempt);
CREATE INDEX wait_of_attempt ON wait (attempt);
CREATE INDEX refusal_of_attempt ON refusal (attempt);
CREATE INDEX lease_of_run ON lease (run);
CREATE INDEX lease_of_attempt ON lease (attempt);
CREATE INDEX dial_of_lease ON dial (lease);
CREATE UNIQUE INDEX usage_once ON usage (dial) WHERE supersedes IS NULL;
COMMIT;
