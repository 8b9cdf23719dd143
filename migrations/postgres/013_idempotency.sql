-- Calls that carry a key and must happen once. Neither keys nor answers can be read here: the key is hashed and the answer
-- encrypted, both with the client's key and a secret of the configuration.
CREATE TABLE idempotency_keys (
    scope TEXT COLLATE "C" NOT NULL,
    key_hash TEXT COLLATE "C" NOT NULL,
    -- Another one for each attempt: whoever lost its lease can't commit any more.
    id UUID NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    -- Set in the transaction of the change itself.
    applied BOOLEAN NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    answer BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, key_hash)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
