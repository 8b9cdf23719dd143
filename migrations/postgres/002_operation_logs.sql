-- Who changed what, when and from where. `position` and `hash` are filled when the row is sealed into the chain.
CREATE TABLE operation_logs (
    id UUID PRIMARY KEY,
    actor_type TEXT NOT NULL CHECK (actor_type IN ('admin', 'operator', 'customer', 'api_key', 'local', 'system', 'anonymous')),
    actor_id TEXT COLLATE "C" NOT NULL,
    actor_name TEXT NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    target_type TEXT COLLATE "C" NOT NULL,
    target_id TEXT COLLATE "C" NOT NULL,
    detail JSONB NOT NULL,
    source TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    position BIGINT UNIQUE,
    hash TEXT
);
CREATE INDEX operation_logs_created ON operation_logs (created_at, id);
CREATE INDEX operation_logs_actor ON operation_logs (actor_id, created_at, id);
CREATE INDEX operation_logs_target ON operation_logs (target_type, target_id, created_at, id);
CREATE INDEX operation_logs_action ON operation_logs (action, created_at, id);
CREATE INDEX operation_logs_unsealed ON operation_logs (created_at, id) WHERE position IS NULL;
