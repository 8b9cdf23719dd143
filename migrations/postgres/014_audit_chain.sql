-- Where the chain of the operation log ends, so that rows missing at its end are noticed too. Whoever seals holds its one row.
CREATE TABLE operation_log_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL CHECK (position >= 0),
    hash TEXT NOT NULL
);
INSERT INTO operation_log_head (id, position, hash) VALUES (1, 0, '');
