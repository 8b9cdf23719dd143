-- The baseline: every core table with its keys, checks and the indexes of the list screens.
-- Amounts are NUMERIC(12,2); identifiers UUID v7; timestamps UTC; enumerations lower-case words.
-- `search` columns hold lower-cased text that the application fills, so that both databases find the same rows.

CREATE TABLE admin_users (
    id UUID PRIMARY KEY,
    username TEXT COLLATE "C" NOT NULL UNIQUE,
    email TEXT COLLATE "C" NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'operator')),
    is_active BOOLEAN NOT NULL,
    search TEXT COLLATE "C" NOT NULL,
    last_login_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX admin_users_email ON admin_users (email) WHERE email <> '';
CREATE INDEX admin_users_created ON admin_users (created_at, id);

CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES admin_users (id) ON DELETE CASCADE,
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    ip_address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE customers (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    contact_person TEXT NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    phone TEXT NOT NULL,
    company TEXT NOT NULL,
    notes TEXT NOT NULL,
    balance NUMERIC(12,2) NOT NULL,
    credit_limit NUMERIC(12,2) NOT NULL CHECK (credit_limit >= 0),
    is_active BOOLEAN NOT NULL,
    search TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX customers_created ON customers (created_at, id);
CREATE INDEX customers_email ON customers (email);

CREATE TABLE customer_users (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    username TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    search TEXT COLLATE "C" NOT NULL,
    last_login_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX customer_users_created ON customer_users (created_at, id);

-- Names that exist once in the whole installation. Customers' tables are spread over the workers of a cluster by
-- customer and can't hold such a promise themselves; this small table can, everywhere.
CREATE TABLE unique_names (
    kind TEXT NOT NULL CHECK (kind IN ('user_name', 'user_email', 'customer_email')),
    name TEXT COLLATE "C" NOT NULL,
    owner_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE INDEX unique_names_owner ON unique_names (owner_id);

CREATE TABLE refresh_tokens (
    id UUID PRIMARY KEY,
    family_id UUID NOT NULL,
    user_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);

CREATE TABLE verification_codes (
    id UUID PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('registration', 'password_reset')),
    code_hash TEXT NOT NULL,
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
CREATE INDEX verification_codes_email ON verification_codes (email, purpose, created_at);

CREATE TABLE product_categories (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    sort_order BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE product_groups (
    id UUID PRIMARY KEY,
    category_id UUID REFERENCES product_categories (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    sort_order BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX product_groups_category ON product_groups (category_id);

CREATE TABLE plugin_interfaces (
    id UUID PRIMARY KEY,
    plugin_type TEXT NOT NULL CHECK (plugin_type IN ('first_party_provider', 'upstream_provider', 'gateway', 'notifier')),
    plugin_id TEXT COLLATE "C" NOT NULL,
    display_name TEXT NOT NULL,
    config JSONB NOT NULL,
    enabled BOOLEAN NOT NULL,
    is_healthy BOOLEAN NOT NULL,
    health_error TEXT,
    last_check_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (plugin_type, plugin_id, display_name)
);

CREATE TABLE products (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    price NUMERIC(12,2) NOT NULL CHECK (price >= 0),
    cost_price NUMERIC(12,2) NOT NULL CHECK (cost_price >= 0),
    billing_cycles JSONB NOT NULL,
    specs JSONB NOT NULL,
    interface_id UUID NOT NULL REFERENCES plugin_interfaces (id),
    group_id UUID REFERENCES product_groups (id),
    is_active BOOLEAN NOT NULL,
    search TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX products_created ON products (created_at, id);
CREATE INDEX products_interface ON products (interface_id);
CREATE INDEX products_group ON products (group_id);

CREATE TABLE orders (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    product_id UUID NOT NULL REFERENCES products (id),
    product_name TEXT NOT NULL,
    provider_interface_id UUID NOT NULL REFERENCES plugin_interfaces (id),
    provider_instance_id TEXT NOT NULL,
    server_spec JSONB NOT NULL,
    billing_cycle TEXT NOT NULL CHECK (billing_cycle IN ('monthly', 'quarterly', 'yearly')),
    total_amount NUMERIC(12,2) NOT NULL CHECK (total_amount >= 0),
    currency TEXT NOT NULL,
    gateway_interface_id UUID REFERENCES plugin_interfaces (id),
    gateway_payment_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'paid', 'provisioning', 'active', 'suspended', 'completed', 'terminated', 'cancelled', 'refunded')),
    status_reason TEXT NOT NULL,
    notes TEXT NOT NULL,
    search TEXT COLLATE "C" NOT NULL,
    activated_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX orders_created ON orders (created_at, id);
CREATE INDEX orders_status ON orders (status, created_at, id);
CREATE INDEX orders_interface ON orders (provider_interface_id, created_at, id);
CREATE INDEX orders_product ON orders (product_id);

CREATE TABLE instances (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    order_id UUID NOT NULL REFERENCES orders (id),
    product_id UUID NOT NULL REFERENCES products (id),
    product_name TEXT NOT NULL,
    provider_interface_id UUID NOT NULL REFERENCES plugin_interfaces (id),
    provider_instance_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('provisioning', 'running', 'stopped', 'suspended', 'terminated', 'error')),
    ip_address TEXT NOT NULL,
    server_spec JSONB NOT NULL,
    terminated_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX instances_created ON instances (created_at, id);
CREATE INDEX instances_status ON instances (status, created_at, id);
CREATE INDEX instances_interface ON instances (provider_interface_id, created_at, id);

CREATE TABLE invoices (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    invoice_number TEXT COLLATE "C",
    billing_period_start DATE NOT NULL,
    billing_period_end DATE NOT NULL,
    amount NUMERIC(12,2) NOT NULL CHECK (amount >= 0),
    tax_amount NUMERIC(12,2) NOT NULL CHECK (tax_amount >= 0),
    total_amount NUMERIC(12,2) NOT NULL,
    paid_amount NUMERIC(12,2) NOT NULL CHECK (paid_amount >= 0),
    currency TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('draft', 'issued', 'paid', 'overdue', 'cancelled')),
    due_date DATE NOT NULL,
    notes TEXT NOT NULL,
    issued_at TIMESTAMPTZ,
    paid_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (billing_period_start <= billing_period_end),
    CHECK (amount + tax_amount = total_amount),
    CHECK (paid_amount <= total_amount),
    -- A draft has no number, an issued invoice has one; a draft that was cancelled never got one.
    CHECK ((status = 'draft' AND invoice_number IS NULL) OR status = 'cancelled' OR invoice_number IS NOT NULL)
);
CREATE INDEX invoices_created ON invoices (created_at, id);
CREATE INDEX invoices_status ON invoices (status, created_at, id);

-- One row a year: taking the next number locks it, so numbers come without gaps and never twice.
CREATE TABLE invoice_counters (
    year BIGINT PRIMARY KEY,
    last_number BIGINT NOT NULL CHECK (last_number >= 0)
);

CREATE TABLE invoice_items (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    invoice_id UUID NOT NULL REFERENCES invoices (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    description TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    unit_price NUMERIC(12,2) NOT NULL,
    amount NUMERIC(12,2) NOT NULL,
    order_id UUID,
    instalment BIGINT CHECK (instalment >= 1),
    CHECK ((order_id IS NULL) = (instalment IS NULL))
);

CREATE TABLE payments (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    purpose TEXT NOT NULL CHECK (purpose IN ('order', 'invoice', 'recharge')),
    order_id UUID REFERENCES orders (id),
    invoice_id UUID REFERENCES invoices (id),
    amount NUMERIC(12,2) NOT NULL CHECK (amount >= 0),
    refunded_amount NUMERIC(12,2) NOT NULL CHECK (refunded_amount >= 0),
    currency TEXT NOT NULL,
    gateway_interface_id UUID REFERENCES plugin_interfaces (id),
    gateway_payment_id TEXT NOT NULL,
    gateway_tx_id TEXT NOT NULL,
    payment_url TEXT NOT NULL,
    qr_code TEXT NOT NULL,
    instructions TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'success', 'failed', 'refunded')),
    note TEXT NOT NULL,
    paid_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (refunded_amount <= amount),
    CHECK ((purpose = 'order') = (order_id IS NOT NULL)),
    CHECK ((purpose = 'invoice') = (invoice_id IS NOT NULL))
);
CREATE INDEX payments_created ON payments (created_at, id);
CREATE INDEX payments_status ON payments (status, created_at, id);
CREATE INDEX payments_gateway ON payments (gateway_interface_id, created_at, id);

CREATE TABLE balance_transactions (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    transaction_type TEXT NOT NULL CHECK (transaction_type IN ('recharge', 'payment', 'refund', 'adjustment')),
    amount NUMERIC(12,2) NOT NULL,
    balance_before NUMERIC(12,2) NOT NULL,
    balance_after NUMERIC(12,2) NOT NULL,
    reference_id TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CHECK (balance_before + amount = balance_after)
);
CREATE INDEX balance_transactions_created ON balance_transactions (created_at, id);

CREATE TABLE tickets (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'resolved', 'closed')),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'urgent')),
    assignee_user_id UUID REFERENCES admin_users (id),
    creator_user_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX tickets_created ON tickets (created_at, id);
CREATE INDEX tickets_status ON tickets (status, created_at, id);
CREATE INDEX tickets_assignee ON tickets (assignee_user_id, created_at, id);

CREATE TABLE ticket_replies (
    id UUID PRIMARY KEY,
    customer_id UUID REFERENCES customers (id),
    ticket_id UUID NOT NULL REFERENCES tickets (id) ON DELETE CASCADE,
    user_id UUID NOT NULL,
    author_is_customer BOOLEAN NOT NULL,
    content TEXT NOT NULL,
    is_internal BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- The outbox. Events of one subject (an order, an invoice, a ticket) are handled one after the other.
CREATE TABLE event_queue (
    id UUID PRIMARY KEY,
    event_type TEXT NOT NULL,
    payload JSONB NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'done', 'failed')),
    order_id UUID,
    subject_id UUID NOT NULL,
    -- How often it was claimed, and how often its handler failed: a crash of ours is no failure of a provider.
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    failures BIGINT NOT NULL CHECK (failures >= 0),
    available_at TIMESTAMPTZ NOT NULL,
    claimed_by UUID,
    claimed_until TIMESTAMPTZ,
    last_error TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX event_queue_open ON event_queue (available_at, id) WHERE status IN ('pending', 'processing');
CREATE INDEX event_queue_subject ON event_queue (subject_id, id) WHERE status IN ('pending', 'processing');
CREATE INDEX event_queue_order ON event_queue (order_id);
CREATE INDEX event_queue_status ON event_queue (status, created_at, id);

CREATE TABLE instance_heartbeat (
    instance_id UUID PRIMARY KEY,
    registered_at TIMESTAMPTZ NOT NULL,
    heartbeat_at TIMESTAMPTZ NOT NULL,
    pool_idle BIGINT NOT NULL,
    pool_active BIGINT NOT NULL,
    pool_max BIGINT NOT NULL
);

CREATE TABLE leader_role (
    role TEXT PRIMARY KEY CHECK (role IN ('migration', 'billing', 'event_worker')),
    holder UUID,
    heartbeat_at TIMESTAMPTZ,
    ttl_secs BIGINT NOT NULL
);
INSERT INTO leader_role (role, ttl_secs) VALUES ('migration', 30), ('billing', 30), ('event_worker', 30);
