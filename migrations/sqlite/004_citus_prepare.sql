-- PostgreSQL widens keys here; SQLite's tables were made with the wide keys, since it can't change them afterwards.
-- What both get: the indexes that start with the customer, and the promises that hang on it.

CREATE INDEX customer_users_customer ON customer_users (customer_id, created_at, id);
CREATE INDEX orders_customer ON orders (customer_id, created_at, id);
CREATE INDEX instances_customer ON instances (customer_id, created_at, id);
-- An order has one server at most, and is paid successfully once at most.
CREATE UNIQUE INDEX instances_order ON instances (order_id, customer_id);
CREATE UNIQUE INDEX payments_order_paid ON payments (order_id, customer_id) WHERE status IN ('success', 'refunded');
CREATE INDEX payments_order ON payments (order_id, created_at, id);
CREATE INDEX payments_invoice ON payments (invoice_id, created_at, id);
CREATE INDEX payments_customer ON payments (customer_id, created_at, id);
CREATE INDEX invoices_customer ON invoices (customer_id, created_at, id);
CREATE UNIQUE INDEX invoices_number ON invoices (invoice_number, customer_id);
CREATE INDEX invoice_items_invoice ON invoice_items (invoice_id, position);
-- Each instalment of an order is billed once, ever.
CREATE UNIQUE INDEX invoice_items_instalment ON invoice_items (order_id, instalment, customer_id) WHERE order_id IS NOT NULL;
CREATE INDEX balance_transactions_customer ON balance_transactions (customer_id, created_at, id);
CREATE INDEX tickets_customer ON tickets (customer_id, created_at, id);
CREATE INDEX ticket_replies_ticket ON ticket_replies (ticket_id, created_at, id);
