-- Refunds, written before a gateway is asked: what is reserved here can't be given back a second time, and the identifier
-- is the key under which the gateway is asked again.
CREATE TABLE payment_refunds (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    status TEXT NOT NULL CHECK (status IN ('pending', 'success', 'failed')),
    note TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    PRIMARY KEY (id, customer_id),
    FOREIGN KEY (payment_id, customer_id) REFERENCES payments (id, customer_id)
) STRICT;
CREATE INDEX payment_refunds_payment ON payment_refunds (payment_id, created_at, id);

-- Each transaction that a gateway reported pays once in the whole installation. A small table beside those that are spread
-- by customer, as `unique_names` is.
CREATE TABLE gateway_transactions (
    gateway_interface_id TEXT NOT NULL,
    tx_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    -- The payment that the gateway named. Another one when its money came after it had failed.
    reported_as TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    PRIMARY KEY (gateway_interface_id, tx_id)
) STRICT;
CREATE INDEX gateway_transactions_payment ON gateway_transactions (payment_id);
CREATE INDEX gateway_transactions_reported ON gateway_transactions (reported_as);
