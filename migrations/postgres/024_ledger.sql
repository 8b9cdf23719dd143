-- The double-entry ledger. Every movement of money is one transaction here, whose entries sum to nothing. An amount is
-- positive where we owe or earn it and negative where we have it or it is owed to us. The page docs/ledger.md has the rules.
CREATE TABLE ledger_transactions (
    customer_id UUID NOT NULL REFERENCES customers (id),
    id UUID NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('top_up', 'order_paid', 'invoice_issued', 'invoice_paid', 'invoice_cancelled', 'refund', 'refund_reserved', 'refund_released', 'adjustment', 'opening')),
    order_id UUID,
    invoice_id UUID,
    payment_id UUID,
    refund_id UUID,
    balance_transaction_id UUID,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (id, customer_id),
    FOREIGN KEY (order_id, customer_id) REFERENCES orders (id, customer_id),
    FOREIGN KEY (invoice_id, customer_id) REFERENCES invoices (id, customer_id),
    FOREIGN KEY (payment_id, customer_id) REFERENCES payments (id, customer_id),
    FOREIGN KEY (refund_id, customer_id) REFERENCES payment_refunds (id, customer_id),
    FOREIGN KEY (balance_transaction_id, customer_id) REFERENCES balance_transactions (id, customer_id)
);
CREATE INDEX ledger_transactions_order ON ledger_transactions (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX ledger_transactions_invoice ON ledger_transactions (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX ledger_transactions_payment ON ledger_transactions (payment_id) WHERE payment_id IS NOT NULL;
-- The customer's own view of the wallet: each of its rows belongs to one transaction.
CREATE UNIQUE INDEX ledger_transactions_balance ON ledger_transactions (balance_transaction_id, customer_id) WHERE balance_transaction_id IS NOT NULL;

-- An entry is known by its place in its transaction, so that it needs one index and no identifier of its own.
CREATE TABLE ledger_entries (
    customer_id UUID NOT NULL,
    transaction_id UUID NOT NULL,
    position BIGINT NOT NULL CHECK (position >= 1),
    account TEXT NOT NULL CHECK (account IN ('wallet', 'receivable', 'revenue', 'gateway', 'by_hand', 'refunds', 'reserved', 'adjustments', 'opening')),
    -- Through which gateway, for what lies there.
    gateway_interface_id UUID,
    amount NUMERIC(12,2) NOT NULL,
    CHECK ((account = 'gateway') = (gateway_interface_id IS NOT NULL)),
    PRIMARY KEY (customer_id, transaction_id, position),
    FOREIGN KEY (transaction_id, customer_id) REFERENCES ledger_transactions (id, customer_id)
);

-- The nightly check: one row a day, so that of several servers one runs it.
CREATE TABLE ledger_checks (
    day DATE PRIMARY KEY,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    differences BIGINT
);

-- What happened before. Identifiers of the rows that tell of it serve for the transactions too: they are of the same kind and
-- moment. First each movement of a balance, against what it was for; what its row does not tell is an opening.
INSERT INTO ledger_transactions (customer_id, id, kind, order_id, invoice_id, payment_id, balance_transaction_id, created_at)
SELECT movement.customer_id, movement.id,
    CASE
        WHEN payment.id IS NULL THEN CASE movement.transaction_type WHEN 'adjustment' THEN 'adjustment' ELSE 'opening' END
        WHEN movement.transaction_type = 'recharge' THEN 'top_up'
        WHEN movement.transaction_type = 'refund' THEN 'refund'
        WHEN movement.transaction_type = 'payment' THEN CASE payment.purpose WHEN 'order' THEN 'order_paid' WHEN 'invoice' THEN 'invoice_paid' ELSE 'opening' END
        WHEN payment.method <> 'gateway' THEN 'refund'
        WHEN movement.amount < 0 THEN 'refund_reserved'
        ELSE 'refund_released'
    END,
    payment.order_id, payment.invoice_id, payment.id, movement.id, movement.created_at
FROM balance_transactions AS movement
LEFT JOIN payments AS payment ON payment.customer_id = movement.customer_id AND CAST(payment.id AS TEXT) = movement.reference_id;

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT entry.customer_id, entry.id, 1, 'wallet', NULL, movement.amount
FROM ledger_transactions AS entry
JOIN balance_transactions AS movement ON movement.id = entry.balance_transaction_id AND movement.customer_id = entry.customer_id;

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT entry.customer_id, entry.id, 2,
    CASE
        WHEN entry.kind = 'top_up' THEN CASE WHEN payment.gateway_interface_id IS NULL THEN 'by_hand' ELSE 'gateway' END
        WHEN entry.kind = 'order_paid' THEN 'revenue'
        WHEN entry.kind = 'invoice_paid' THEN 'receivable'
        WHEN entry.kind = 'refund' AND movement.transaction_type = 'refund' THEN 'refunds'
        WHEN entry.kind = 'refund' THEN 'by_hand'
        WHEN entry.kind IN ('refund_reserved', 'refund_released') THEN 'reserved'
        WHEN entry.kind = 'adjustment' THEN 'adjustments'
        ELSE 'opening'
    END,
    CASE WHEN entry.kind = 'top_up' THEN payment.gateway_interface_id END,
    -movement.amount
FROM ledger_transactions AS entry
JOIN balance_transactions AS movement ON movement.id = entry.balance_transaction_id AND movement.customer_id = entry.customer_id
LEFT JOIN payments AS payment ON payment.id = entry.payment_id AND payment.customer_id = entry.customer_id;

-- Orders and invoices that were paid past the balance, and those whose movement of the balance was not found.
INSERT INTO ledger_transactions (customer_id, id, kind, order_id, invoice_id, payment_id, created_at)
SELECT customer_id, id,
    CASE WHEN method = 'balance' THEN 'opening' WHEN purpose = 'order' THEN 'order_paid' ELSE 'invoice_paid' END,
    order_id, invoice_id, id, COALESCE(paid_at, updated_at)
FROM payments
WHERE status IN ('success', 'refunded') AND purpose <> 'recharge' AND (method <> 'balance' OR NOT EXISTS (
    SELECT 1 FROM ledger_transactions AS known
    WHERE known.payment_id = payments.id AND known.customer_id = payments.customer_id AND known.kind IN ('order_paid', 'invoice_paid')));

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT customer_id, id, 1,
    CASE WHEN method = 'balance' THEN 'opening' WHEN gateway_interface_id IS NULL THEN 'by_hand' ELSE 'gateway' END,
    CASE WHEN method <> 'balance' THEN gateway_interface_id END,
    -amount
FROM payments WHERE EXISTS (SELECT 1 FROM ledger_transactions AS entry WHERE entry.id = payments.id AND entry.customer_id = payments.customer_id);

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT customer_id, id, 2, CASE purpose WHEN 'order' THEN 'revenue' ELSE 'receivable' END, NULL, amount
FROM payments WHERE EXISTS (SELECT 1 FROM ledger_transactions AS entry WHERE entry.id = payments.id AND entry.customer_id = payments.customer_id);

-- Refunds that left through a gateway. One with a note was refused there and went to the balance.
INSERT INTO ledger_transactions (customer_id, id, kind, order_id, invoice_id, payment_id, refund_id, created_at)
SELECT refund.customer_id, refund.id, 'refund', payment.order_id, payment.invoice_id, payment.id, refund.id, refund.updated_at
FROM payment_refunds AS refund
JOIN payments AS payment ON payment.id = refund.payment_id AND payment.customer_id = refund.customer_id
WHERE refund.status = 'success' AND payment.method = 'gateway' AND (payment.purpose = 'recharge' OR refund.note = '');

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT refund.customer_id, refund.id, 1, CASE payment.purpose WHEN 'recharge' THEN 'reserved' ELSE 'refunds' END, NULL, -refund.amount
FROM ledger_transactions AS entry
JOIN payment_refunds AS refund ON refund.id = entry.refund_id AND refund.customer_id = entry.customer_id
JOIN payments AS payment ON payment.id = refund.payment_id AND payment.customer_id = refund.customer_id;

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT refund.customer_id, refund.id, 2, CASE WHEN payment.gateway_interface_id IS NULL THEN 'by_hand' ELSE 'gateway' END, payment.gateway_interface_id, refund.amount
FROM ledger_transactions AS entry
JOIN payment_refunds AS refund ON refund.id = entry.refund_id AND refund.customer_id = entry.customer_id
JOIN payments AS payment ON payment.id = refund.payment_id AND payment.customer_id = refund.customer_id;

-- Invoices: what was left to pay when each was issued. Those that were cancelled are owed by nobody and are left out.
INSERT INTO ledger_transactions (customer_id, id, kind, invoice_id, created_at)
SELECT customer_id, id, 'invoice_issued', id, COALESCE(issued_at, created_at)
FROM invoices
WHERE status IN ('issued', 'overdue', 'paid') AND total_amount - paid_amount + COALESCE((
    SELECT SUM(payment.amount) FROM payments AS payment
    WHERE payment.invoice_id = invoices.id AND payment.customer_id = invoices.customer_id AND payment.status IN ('success', 'refunded')), 0) <> 0;

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT invoice.customer_id, invoice.id, 1, 'receivable', NULL, invoice.paid_amount - invoice.total_amount - COALESCE((
    SELECT SUM(payment.amount) FROM payments AS payment
    WHERE payment.invoice_id = invoice.id AND payment.customer_id = invoice.customer_id AND payment.status IN ('success', 'refunded')), 0)
FROM ledger_transactions AS entry
JOIN invoices AS invoice ON invoice.id = entry.id AND invoice.customer_id = entry.customer_id
WHERE entry.kind = 'invoice_issued';

INSERT INTO ledger_entries (customer_id, transaction_id, position, account, gateway_interface_id, amount)
SELECT entry.customer_id, entry.transaction_id, 2, 'revenue', NULL, -entry.amount
FROM ledger_entries AS entry
JOIN ledger_transactions AS issued ON issued.id = entry.transaction_id AND issued.customer_id = entry.customer_id
WHERE issued.kind = 'invoice_issued';

-- What is written stays: a mistake is corrected by another transaction. On a cluster of Citus, distributing tables with
-- triggers takes `citus.enable_unsafe_triggers = on`; these only look at the row that they guard.
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of % is refused', TG_OP, TG_TABLE_NAME;
END;
$$;
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
