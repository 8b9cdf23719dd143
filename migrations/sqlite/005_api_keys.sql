-- Keys of downstream resellers. Only a hash is stored; the prefix is what lists show.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    name TEXT NOT NULL,
    key_prefix TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    last_used_at TEXT CHECK (length(last_used_at) = 27),
    expires_at TEXT CHECK (length(expires_at) = 27)
) STRICT;
CREATE INDEX api_keys_customer ON api_keys (customer_id, created_at, id);
