-- Servers that share a database: who they are, and which of them may do what only one may do at a time.
-- `epoch` grows with every take-over of a role: whoever had it before can't commit anything in its name any more.
ALTER TABLE leader_role ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leader_role ADD COLUMN acquired_at TEXT CHECK (length(acquired_at) = 27);

-- No version before this one wrote here, so the table is made anew: SQLite adds no NOT NULL column without a default.
DROP TABLE instance_heartbeat;
CREATE TABLE instance_heartbeat (
    instance_id TEXT PRIMARY KEY,
    registered_at TEXT NOT NULL CHECK (length(registered_at) = 27),
    heartbeat_at TEXT NOT NULL CHECK (length(heartbeat_at) = 27),
    pool_idle INTEGER NOT NULL,
    pool_active INTEGER NOT NULL,
    pool_max INTEGER NOT NULL,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    address TEXT NOT NULL,
    started_at TEXT NOT NULL CHECK (length(started_at) = 27),
    -- The hosts that the server leaves alone, as a list of objects.
    breakers TEXT NOT NULL CHECK (json_valid(breakers))
) STRICT;

-- For looking at what happened: newest first, of everything and of one subject.
CREATE INDEX event_queue_created ON event_queue (created_at, id);
CREATE INDEX event_queue_history ON event_queue (subject_id, created_at, id);
