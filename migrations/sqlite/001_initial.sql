-- The baseline: every core table with its keys, checks and the indexes of the list screens.
-- Amounts are integers of minor units (cents); identifiers UUID v7 as text; timestamps UTC as text of 27 characters; enumerations lower-case words.
-- `search` columns hold lower-cased text that the application fills, so that both databases find the same rows.

CREATE TABLE admin_users (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'operator')),
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    search TEXT NOT NULL,
    last_login_at TEXT CHECK (length(last_login_at) = 27),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27)
) STRICT;
CREATE UNIQUE INDEX admin_users_email ON admin_users (email) WHERE email <> '';
CREATE INDEX admin_users_created ON admin_users (created_at, id);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES admin_users (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    ip_address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    last_seen_at TEXT NOT NULL CHECK (length(last_seen_at) = 27),
    expires_at TEXT NOT NULL CHECK (length(expires_at) = 27)
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    contact_person TEXT NOT NULL,
    email TEXT NOT NULL,
    phone TEXT NOT NULL,
    company TEXT NOT NULL,
    notes TEXT NOT NULL,
    balance INTEGER NOT NULL,
    credit_limit INTEGER NOT NULL CHECK (credit_limit >= 0),
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    search TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27)
) STRICT;
CREATE INDEX customers_created ON customers (created_at, id);
CREATE INDEX customers_email ON customers (email);

CREATE TABLE customer_users (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    username TEXT NOT NULL,
    email TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    search TEXT NOT NULL,
    last_login_at TEXT CHECK (length(last_login_at) = 27),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    PRIMARY KEY (id, customer_id)
) STRICT;
CREATE INDEX customer_users_created ON customer_users (created_at, id);

-- Names that exist once in the whole installation. Customers' tables are spread over the workers of a cluster by
-- customer and can't hold such a promise themselves; this small table can, everywhere.
CREATE TABLE unique_names (
    kind TEXT NOT NULL CHECK (kind IN ('user_name', 'user_email', 'customer_email')),
    name TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;
CREATE INDEX unique_names_owner ON unique_names (owner_id);

CREATE TABLE refresh_tokens (
    id TEXT PRIMARY KEY,
    family_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    expires_at TEXT NOT NULL CHECK (length(expires_at) = 27),
    used_at TEXT CHECK (length(used_at) = 27),
    revoked_at TEXT CHECK (length(revoked_at) = 27)
) STRICT;
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);

CREATE TABLE verification_codes (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('registration', 'password_reset')),
    code_hash TEXT NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    expires_at TEXT NOT NULL CHECK (length(expires_at) = 27),
    used_at TEXT CHECK (length(used_at) = 27)
) STRICT;
CREATE INDEX verification_codes_email ON verification_codes (email, purpose, created_at);

CREATE TABLE product_categories (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    sort_order INTEGER NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27)
) STRICT;

CREATE TABLE product_groups (
    id TEXT PRIMARY KEY,
    category_id TEXT REFERENCES product_categories (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    sort_order INTEGER NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27)
) STRICT;
CREATE INDEX product_groups_category ON product_groups (category_id);

CREATE TABLE plugin_interfaces (
    id TEXT PRIMARY KEY,
    plugin_type TEXT NOT NULL CHECK (plugin_type IN ('first_party_provider', 'upstream_provider', 'gateway', 'notifier')),
    plugin_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    config TEXT NOT NULL CHECK (json_valid(config)),
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    is_healthy INTEGER NOT NULL CHECK (is_healthy IN (0, 1)),
    health_error TEXT,
    last_check_at TEXT CHECK (length(last_check_at) = 27),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    UNIQUE (plugin_type, plugin_id, display_name)
) STRICT;

CREATE TABLE products (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    price INTEGER NOT NULL CHECK (price >= 0),
    cost_price INTEGER NOT NULL CHECK (cost_price >= 0),
    billing_cycles TEXT NOT NULL CHECK (json_valid(billing_cycles)),
    specs TEXT NOT NULL CHECK (json_valid(specs)),
    interface_id TEXT NOT NULL REFERENCES plugin_interfaces (id),
    group_id TEXT REFERENCES product_groups (id),
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    search TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27)
) STRICT;
CREATE INDEX products_created ON products (created_at, id);
CREATE INDEX products_interface ON products (interface_id);
CREATE INDEX products_group ON products (group_id);

CREATE TABLE orders (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    product_id TEXT NOT NULL REFERENCES products (id),
    product_name TEXT NOT NULL,
    provider_interface_id TEXT NOT NULL REFERENCES plugin_interfaces (id),
    provider_instance_id TEXT NOT NULL,
    server_spec TEXT NOT NULL CHECK (json_valid(server_spec)),
    billing_cycle TEXT NOT NULL CHECK (billing_cycle IN ('monthly', 'quarterly', 'yearly')),
    total_amount INTEGER NOT NULL CHECK (total_amount >= 0),
    currency TEXT NOT NULL,
    gateway_interface_id TEXT REFERENCES plugin_interfaces (id),
    gateway_payment_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'paid', 'provisioning', 'active', 'suspended', 'completed', 'terminated', 'cancelled', 'refunded')),
    status_reason TEXT NOT NULL,
    notes TEXT NOT NULL,
    search TEXT NOT NULL,
    activated_at TEXT CHECK (length(activated_at) = 27),
    ended_at TEXT CHECK (length(ended_at) = 27),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    PRIMARY KEY (id, customer_id)
) STRICT;
CREATE INDEX orders_created ON orders (created_at, id);
CREATE INDEX orders_status ON orders (status, created_at, id);
CREATE INDEX orders_interface ON orders (provider_interface_id, created_at, id);
CREATE INDEX orders_product ON orders (product_id);

CREATE TABLE instances (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    order_id TEXT NOT NULL,
    product_id TEXT NOT NULL REFERENCES products (id),
    product_name TEXT NOT NULL,
    provider_interface_id TEXT NOT NULL REFERENCES plugin_interfaces (id),
    provider_instance_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('provisioning', 'running', 'stopped', 'suspended', 'terminated', 'error')),
    ip_address TEXT NOT NULL,
    server_spec TEXT NOT NULL CHECK (json_valid(server_spec)),
    terminated_at TEXT CHECK (length(terminated_at) = 27),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    PRIMARY KEY (id, customer_id),
    FOREIGN KEY (order_id, customer_id) REFERENCES orders (id, customer_id)
) STRICT;
CREATE INDEX instances_created ON instances (created_at, id);
CREATE INDEX instances_status ON instances (status, created_at, id);
CREATE INDEX instances_interface ON instances (provider_interface_id, created_at, id);

CREATE TABLE invoices (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    invoice_number TEXT,
    billing_period_start TEXT NOT NULL CHECK (length(billing_period_start) = 10),
    billing_period_end TEXT NOT NULL CHECK (length(billing_period_end) = 10),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    tax_amount INTEGER NOT NULL CHECK (tax_amount >= 0),
    total_amount INTEGER NOT NULL,
    paid_amount INTEGER NOT NULL CHECK (paid_amount >= 0),
    currency TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('draft', 'issued', 'paid', 'overdue', 'cancelled')),
    due_date TEXT NOT NULL CHECK (length(due_date) = 10),
    notes TEXT NOT NULL,
    issued_at TEXT CHECK (length(issued_at) = 27),
    paid_at TEXT CHECK (length(paid_at) = 27),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    CHECK (billing_period_start <= billing_period_end),
    CHECK (amount + tax_amount = total_amount),
    CHECK (paid_amount <= total_amount),
    -- A draft has no number, an issued invoice has one; a draft that was cancelled never got one.
    CHECK ((status = 'draft' AND invoice_number IS NULL) OR status = 'cancelled' OR invoice_number IS NOT NULL),
    PRIMARY KEY (id, customer_id)
) STRICT;
CREATE INDEX invoices_created ON invoices (created_at, id);
CREATE INDEX invoices_status ON invoices (status, created_at, id);

-- One row a year: taking the next number locks it, so numbers come without gaps and never twice.
CREATE TABLE invoice_counters (
    year INTEGER PRIMARY KEY,
    last_number INTEGER NOT NULL CHECK (last_number >= 0)
) STRICT;

CREATE TABLE invoice_items (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    invoice_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    description TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_price INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    order_id TEXT,
    instalment INTEGER CHECK (instalment >= 1),
    CHECK ((order_id IS NULL) = (instalment IS NULL)),
    PRIMARY KEY (id, customer_id),
    FOREIGN KEY (invoice_id, customer_id) REFERENCES invoices (id, customer_id) ON DELETE CASCADE,
    FOREIGN KEY (order_id, customer_id) REFERENCES orders (id, customer_id)
) STRICT;

CREATE TABLE payments (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    purpose TEXT NOT NULL CHECK (purpose IN ('order', 'invoice', 'recharge')),
    order_id TEXT,
    invoice_id TEXT,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    refunded_amount INTEGER NOT NULL CHECK (refunded_amount >= 0),
    currency TEXT NOT NULL,
    gateway_interface_id TEXT REFERENCES plugin_interfaces (id),
    gateway_payment_id TEXT NOT NULL,
    gateway_tx_id TEXT NOT NULL,
    payment_url TEXT NOT NULL,
    qr_code TEXT NOT NULL,
    instructions TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'success', 'failed', 'refunded')),
    note TEXT NOT NULL,
    paid_at TEXT CHECK (length(paid_at) = 27),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    CHECK (refunded_amount <= amount),
    CHECK ((purpose = 'order') = (order_id IS NOT NULL)),
    CHECK ((purpose = 'invoice') = (invoice_id IS NOT NULL)),
    PRIMARY KEY (id, customer_id),
    FOREIGN KEY (order_id, customer_id) REFERENCES orders (id, customer_id),
    FOREIGN KEY (invoice_id, customer_id) REFERENCES invoices (id, customer_id)
) STRICT;
CREATE INDEX payments_created ON payments (created_at, id);
CREATE INDEX payments_status ON payments (status, created_at, id);
CREATE INDEX payments_gateway ON payments (gateway_interface_id, created_at, id);

CREATE TABLE balance_transactions (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    transaction_type TEXT NOT NULL CHECK (transaction_type IN ('recharge', 'payment', 'refund', 'adjustment')),
    amount INTEGER NOT NULL,
    balance_before INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    reference_id TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    CHECK (balance_before + amount = balance_after),
    PRIMARY KEY (id, customer_id)
) STRICT;
CREATE INDEX balance_transactions_created ON balance_transactions (created_at, id);

CREATE TABLE tickets (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'resolved', 'closed')),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    assignee_user_id TEXT REFERENCES admin_users (id),
    creator_user_id TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    PRIMARY KEY (id, customer_id)
) STRICT;
CREATE INDEX tickets_created ON tickets (created_at, id);
CREATE INDEX tickets_status ON tickets (status, created_at, id);
CREATE INDEX tickets_assignee ON tickets (assignee_user_id, created_at, id);

CREATE TABLE ticket_replies (
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL REFERENCES customers (id),
    ticket_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    author_is_customer INTEGER NOT NULL CHECK (author_is_customer IN (0, 1)),
    content TEXT NOT NULL,
    is_internal INTEGER NOT NULL CHECK (is_internal IN (0, 1)),
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    PRIMARY KEY (id, customer_id),
    FOREIGN KEY (ticket_id, customer_id) REFERENCES tickets (id, customer_id) ON DELETE CASCADE
) STRICT;

-- The outbox. Events of one subject (an order, an invoice, a ticket) are handled one after the other.
CREATE TABLE event_queue (
    id TEXT PRIMARY KEY,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL CHECK (json_valid(payload)),
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'done', 'failed')),
    order_id TEXT,
    subject_id TEXT NOT NULL,
    -- How often it was claimed, and how often its handler failed: a crash of ours is no failure of a provider.
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    failures INTEGER NOT NULL CHECK (failures >= 0),
    available_at TEXT NOT NULL CHECK (length(available_at) = 27),
    claimed_by TEXT,
    claimed_until TEXT CHECK (length(claimed_until) = 27),
    last_error TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27)
) STRICT;
CREATE INDEX event_queue_open ON event_queue (available_at, id) WHERE status IN ('pending', 'processing');
CREATE INDEX event_queue_subject ON event_queue (subject_id, id) WHERE status IN ('pending', 'processing');
CREATE INDEX event_queue_order ON event_queue (order_id);
CREATE INDEX event_queue_status ON event_queue (status, created_at, id);

CREATE TABLE instance_heartbeat (
    instance_id TEXT PRIMARY KEY,
    registered_at TEXT NOT NULL CHECK (length(registered_at) = 27),
    heartbeat_at TEXT NOT NULL CHECK (length(heartbeat_at) = 27),
    pool_idle INTEGER NOT NULL,
    pool_active INTEGER NOT NULL,
    pool_max INTEGER NOT NULL
) STRICT;

CREATE TABLE leader_role (
    role TEXT PRIMARY KEY CHECK (role IN ('migration', 'billing', 'event_worker')),
    holder TEXT,
    heartbeat_at TEXT CHECK (length(heartbeat_at) = 27),
    ttl_secs INTEGER NOT NULL
) STRICT;
INSERT INTO leader_role (role, ttl_secs) VALUES ('migration', 30), ('billing', 30), ('event_worker', 30);
