-- Calls that carry a key and must happen once. Neither keys nor answers can be read here: the key is hashed and the answer
-- encrypted, both with the client's key and a secret of the configuration.
CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    -- Another one for each attempt: whoever lost its lease can't commit any more.
    id TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    -- Set in the transaction of the change itself.
    applied INTEGER NOT NULL CHECK (applied IN (0, 1)),
    lease_until TEXT NOT NULL CHECK (length(lease_until) = 27),
    answer BLOB,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    expires_at TEXT NOT NULL CHECK (length(expires_at) = 27),
    PRIMARY KEY (scope, key_hash)
) STRICT;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
