BEGIN TRANSACTION;
CREATE TABLE attempt (
        id TEXT PRIMARY KEY, invocation TEXT NOT NULL REFERENCES invocation, nodeid TEXT NOT NULL,
        worker TEXT NOT NULL, number INTEGER NOT NULL, budget_ms BIGINT, left_ms BIGINT, at TEXT NOT NULL,
        UNIQUE (invocation, nodeid, worker, number));
INSERT INTO "attempt" VALUES('34e7ffa9122cded0','invocation','test_x.py::test','',1,10000,10000,'2026-11-25T04:16:46.389Z');
CREATE TABLE dial (id TEXT PRIMARY KEY, lease TEXT NOT NULL REFERENCES lease, at TEXT NOT NULL);
INSERT INTO "dial" VALUES('471cb7c5c1170589','c18e65da0b391910','2026-11-25T04:16:46.389Z');
INSERT INTO "dial" VALUES('ee0c894722484203','ff8391c3bfd920a5','2026-11-25T04:16:46.394Z');
CREATE TABLE invocation (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, host TEXT NOT NULL, pid INTEGER NOT NULL,
        budget_ms BIGINT, at TEXT NOT NULL);
INSERT INTO "invocation" VALUES('invocation','run','here',1,60000,'2026-11-25T04:16:46.379Z');
CREATE TABLE invocation_end (
        invocation TEXT PRIMARY KEY REFERENCES invocation, exit_status INTEGER, at TEXT NOT NULL);
CREATE TABLE lease (
        id TEXT PRIMARY KEY, run TEXT NOT NULL REFERENCES run, attempt TEXT NOT NULL REFERENCES attempt,
        scope TEXT NOT NULL, ms BIGINT NOT NULL, taken_at TEXT NOT NULL, ends_at TEXT NOT NULL);
INSERT INTO "lease" VALUES('c18e65da0b391910','run','34e7ffa9122cded0','test',10000,'2026-11-25T04:16:46.389Z','2026-11-25T04:16:56.389Z');
INSERT INTO "lease" VALUES('ff8391c3bfd920a5','run','34e7ffa9122cded0','test',8000,'2026-11-25T04:16:46.393Z','2026-11-25T04:16:54.393Z');
CREATE TABLE lease_end (
        lease TEXT PRIMARY KEY REFERENCES lease, how TEXT NOT NULL CHECK (how IN ('settled', 'orphaned')),
        ms BIGINT NOT NULL, at TEXT NOT NULL);
INSERT INTO "lease_end" VALUES('c18e65da0b391910','settled',2000,'2026-11-25T04:16:46.389Z');
CREATE TABLE outcome (attempt TEXT NOT NULL REFERENCES attempt, outcome TEXT NOT NULL, seq INTEGER NOT NULL);
INSERT INTO "outcome" VALUES('34e7ffa9122cded0','passed',0);
CREATE TABLE refusal (
        attempt TEXT NOT NULL REFERENCES attempt, scope TEXT NOT NULL, used_ms BIGINT NOT NULL,
        allowed_ms BIGINT NOT NULL, tolerated INTEGER NOT NULL, at TEXT NOT NULL);
CREATE TABLE run (
        id TEXT PRIMARY KEY, target TEXT NOT NULL, billed INTEGER NOT NULL, tag TEXT NOT NULL, at TEXT NOT NULL);
INSERT INTO "run" VALUES('run','emulator',0,'dgbudget-run','2026-11-25T04:16:46.379Z');
CREATE TABLE schema (version INTEGER NOT NULL);
INSERT INTO "schema" VALUES(1);
CREATE TABLE usage (
        id TEXT PRIMARY KEY, dial TEXT NOT NULL REFERENCES dial, supersedes TEXT UNIQUE REFERENCES usage,
        request_id TEXT, closed_at TEXT, ms BIGINT, handshake_ms BIGINT, audio_in_ms BIGINT, audio_out_ms BIGINT,
        closed_by TEXT NOT NULL, close_code INTEGER, confirmed INTEGER NOT NULL);
INSERT INTO "usage" VALUES('ac6b5a9cc1e27531','471cb7c5c1170589',NULL,'request','2026-11-25T04:16:46.389Z',2000,5,NULL,0,'client',1000,1);
CREATE TABLE wait (attempt TEXT NOT NULL REFERENCES attempt, ms BIGINT NOT NULL);
CREATE TABLE welcome (dial TEXT PRIMARY KEY REFERENCES dial, request_id TEXT, handshake_ms BIGINT NOT NULL);
INSERT INTO "welcome" VALUES('471cb7c5c1170589','request',5);
CREATE INDEX outcome_of_attempt ON outcome (attempt);
CREATE INDEX wait_of_attempt ON wait (attempt);
CREATE INDEX refusal_of_attempt ON refusal (attempt);
CREATE INDEX lease_of_run ON lease (run);
CREATE INDEX lease_of_attempt ON lease (attempt);
CREATE INDEX dial_of_lease ON dial (lease);
CREATE UNIQUE INDEX usage_once ON usage (dial) WHERE supersedes IS NULL;
COMMIT;
