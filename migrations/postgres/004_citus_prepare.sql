-- Ready for Citus: each table that is distributed by customer has `customer_id` NOT NULL, in its primary key and in
-- every unique index, and the foreign keys between such tables carry it. Harmless on a single PostgreSQL.

ALTER TABLE instances DROP CONSTRAINT instances_order_id_fkey;
ALTER TABLE payments DROP CONSTRAINT payments_order_id_fkey;
ALTER TABLE payments DROP CONSTRAINT payments_invoice_id_fkey;
ALTER TABLE invoice_items DROP CONSTRAINT invoice_items_invoice_id_fkey;
ALTER TABLE ticket_replies DROP CONSTRAINT ticket_replies_ticket_id_fkey;

ALTER TABLE customer_users ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE instances ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE invoices ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE invoice_items ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE payments ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE balance_transactions ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE tickets ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE ticket_replies ALTER COLUMN customer_id SET NOT NULL;

ALTER TABLE customer_users DROP CONSTRAINT customer_users_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE instances DROP CONSTRAINT instances_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE invoices DROP CONSTRAINT invoices_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE invoice_items DROP CONSTRAINT invoice_items_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE payments DROP CONSTRAINT payments_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE balance_transactions DROP CONSTRAINT balance_transactions_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE tickets DROP CONSTRAINT tickets_pkey, ADD PRIMARY KEY (id, customer_id);
ALTER TABLE ticket_replies DROP CONSTRAINT ticket_replies_pkey, ADD PRIMARY KEY (id, customer_id);

ALTER TABLE instances ADD FOREIGN KEY (order_id, customer_id) REFERENCES orders (id, customer_id);
ALTER TABLE payments ADD FOREIGN KEY (order_id, customer_id) REFERENCES orders (id, customer_id);
ALTER TABLE payments ADD FOREIGN KEY (invoice_id, customer_id) REFERENCES invoices (id, customer_id);
ALTER TABLE invoice_items ADD FOREIGN KEY (invoice_id, customer_id) REFERENCES invoices (id, customer_id) ON DELETE CASCADE;
ALTER TABLE invoice_items ADD FOREIGN KEY (order_id, customer_id) REFERENCES orders (id, customer_id);
ALTER TABLE ticket_replies ADD FOREIGN KEY (ticket_id, customer_id) REFERENCES tickets (id, customer_id) ON DELETE CASCADE;

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
