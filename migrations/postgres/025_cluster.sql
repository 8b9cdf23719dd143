-- Servers that share a database: who they are, and which of them may do what only one may do at a time.
-- `epoch` grows with every take-over of a role: whoever had it before can't commit anything in its name any more.
ALTER TABLE leader_role ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE leader_role ADD COLUMN acquired_at TIMESTAMPTZ;

-- No version before this one wrote here.
DELETE FROM instance_heartbeat;
ALTER TABLE instance_heartbeat ADD COLUMN host TEXT NOT NULL;
ALTER TABLE instance_heartbeat ADD COLUMN version TEXT NOT NULL;
ALTER TABLE instance_heartbeat ADD COLUMN address TEXT NOT NULL;
ALTER TABLE instance_heartbeat ADD COLUMN started_at TIMESTAMPTZ NOT NULL;
-- The hosts that the server leaves alone, as a list of objects.
ALTER TABLE instance_heartbeat ADD COLUMN breakers JSONB NOT NULL;

-- For looking at what happened: newest first, of everything and of one subject.
CREATE INDEX event_queue_created ON event_queue (created_at, id);
CREATE INDEX event_queue_history ON event_queue (subject_id, created_at, id);
