-- The worker asks gateways about payments that nobody reported: when it is due next, and how often it was done.
ALTER TABLE payments ADD COLUMN next_query_at TEXT CHECK (length(next_query_at) = 27);
ALTER TABLE payments ADD COLUMN queries INTEGER NOT NULL DEFAULT 0;
-- What was begun before is asked for too, the oldest of it once.
UPDATE payments SET next_query_at = updated_at WHERE status = 'pending' AND method = 'gateway' AND gateway_interface_id IS NOT NULL;
CREATE INDEX payments_next_query ON payments (gateway_interface_id, next_query_at) WHERE next_query_at IS NOT NULL;
