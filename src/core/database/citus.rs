//! Where each table is in a Citus cluster: the one list from which `deploy/citus` and `rustbill db citus` are written.
//! A test holds it against the catalogue of a migrated database and against the rules that Citus publishes.

/// Where the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Spread over the workers by the customer in this column, each customer's rows together.
    Distributed(&'static str),
    /// Whole on every worker.
    Reference,
    /// On the coordinator only: small, or written far more often than read together with others.
    Local,
}

/// All tables, those that others refer to before the others.
pub const TABLES: [(&str, Place); 34] = [
    ("admin_users", Place::Reference),
    ("sessions", Place::Reference),
    ("product_categories", Place::Reference),
    ("product_groups", Place::Reference),
    ("plugins", Place::Reference),
    ("plugin_interfaces", Place::Reference),
    ("plugin_state", Place::Reference),
    ("products", Place::Reference),
    ("api_keys", Place::Reference),
    ("event_queue", Place::Reference),
    ("instance_heartbeat", Place::Reference),
    ("leader_role", Place::Reference),
    ("customers", Place::Distributed("id")),
    ("customer_users", Place::Distributed("customer_id")),
    ("orders", Place::Distributed("customer_id")),
    ("instances", Place::Distributed("customer_id")),
    ("invoices", Place::Distributed("customer_id")),
    ("invoice_items", Place::Distributed("customer_id")),
    ("payments", Place::Distributed("customer_id")),
    ("payment_refunds", Place::Distributed("customer_id")),
    ("balance_transactions", Place::Distributed("customer_id")),
    ("ledger_transactions", Place::Distributed("customer_id")),
    ("ledger_entries", Place::Distributed("customer_id")),
    ("tickets", Place::Distributed("customer_id")),
    ("ticket_replies", Place::Distributed("customer_id")),
    ("gateway_transactions", Place::Local),
    ("idempotency_keys", Place::Local),
    ("invoice_counters", Place::Local),
    ("ledger_checks", Place::Local),
    ("operation_log_head", Place::Local),
    ("operation_logs", Place::Local),
    ("refresh_tokens", Place::Local),
    ("unique_names", Place::Local),
    ("verification_codes", Place::Local),
];

/// Triggers on tables that are spread or everywhere, by table and name. Citus takes them only with
/// `citus.enable_unsafe_triggers`; each must touch no row of another table.
pub const TRIGGERS: [(&str, &str); 2] =
    [("ledger_entries", "ledger_entries_append_only"), ("ledger_transactions", "ledger_transactions_append_only")];

/// Pieces that customers are spread over, as the documents recommend for two workers and more.
const SHARDS: u32 = 64;

/// The statements that spread a migrated database over a cluster, to be run once on its coordinator.
#[must_use]
pub fn distribute() -> String {
    use std::fmt::Write as _;

    let mut sql = String::from(
        "-- Written by `rustbill db citus`. Run it once on the coordinator, as the owner of the tables, after the workers\n\
         -- were added and before the first customer is there:\n\
         --   psql -v ON_ERROR_STOP=1 -d rustbill -f 001_distribute.sql\n\n",
    );
    sql.push_str(
        "-- These triggers only look at the row that they are called for, so each worker can run them by itself.\n\
         -- Citus wants to be told, here and in every later session; only a superuser may do that.\n",
    );
    for (table, trigger) in TRIGGERS {
        let _ = writeln!(sql, "--   {table}: {trigger}");
    }
    sql.push_str(
        "SET citus.enable_unsafe_triggers TO on;\n\
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET citus.enable_unsafe_triggers TO on', current_database()); END $$;\n\n",
    );
    let _ = writeln!(sql, "BEGIN;\nSET LOCAL citus.shard_count = {SHARDS};");
    sql.push_str(
        "-- Foreign keys to tables that are made in the same transaction want one connection to each worker.\n\
         SET LOCAL citus.multi_shard_modify_mode TO 'sequential';\n\n-- Whole on every worker.\n",
    );
    for (table, place) in TABLES {
        if place == Place::Reference {
            let _ = writeln!(sql, "SELECT create_reference_table('{table}');");
        }
    }
    sql.push_str("\n-- Spread by customer, all rows of a customer on one worker.\n");
    let mut first = None;
    for (table, place) in TABLES {
        if let Place::Distributed(column) = place {
            let with = first.map(|first| format!(", colocate_with => '{first}'")).unwrap_or_default();
            let _ = writeln!(sql, "SELECT create_distributed_table('{table}', '{column}'{with});");
            first = first.or(Some(table));
        }
    }
    sql.push_str("\nCOMMIT;\n\n-- On the coordinator only, as they are:\n");
    for (table, place) in TABLES {
        if place == Place::Local {
            let _ = writeln!(sql, "--   {table}");
        }
    }
    sql
}
