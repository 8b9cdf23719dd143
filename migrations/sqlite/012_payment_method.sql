-- How a payment is made: from the balance, through a gateway, or recorded by an administrator who saw the money come
-- by another way. An empty gateway does not tell the first from the last.
ALTER TABLE payments ADD COLUMN method TEXT NOT NULL DEFAULT 'gateway' CHECK (method IN ('balance', 'gateway', 'manual'));
UPDATE payments SET method = 'balance' WHERE gateway_interface_id IS NULL;
