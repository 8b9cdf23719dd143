-- Written by `rustbill db citus`. Run it once on the coordinator, as the owner of the tables, after the workers
-- were added and before the first customer is there:
--   psql -v ON_ERROR_STOP=1 -d rustbill -f 001_distribute.sql

-- These triggers only look at the row that they are called for, so each worker can run them by itself.
-- Citus wants to be told, here and in every later session; only a superuser may do that.
--   ledger_entries: ledger_entries_append_only
--   ledger_transactions: ledger_transactions_append_only
SET citus.enable_unsafe_triggers TO on;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET citus.enable_unsafe_triggers TO on', current_database()); END $$;

BEGIN;
SET LOCAL citus.shard_count = 64;
-- Foreign keys to tables that are made in the same transaction want one connection to each worker.
SET LOCAL citus.multi_shard_modify_mode TO 'sequential';

-- Whole on every worker.
SELECT create_reference_table('admin_users');
SELECT create_reference_table('sessions');
SELECT create_reference_table('product_categories');
SELECT create_reference_table('product_groups');
SELECT create_reference_table('plugins');
SELECT create_reference_table('plugin_interfaces');
SELECT create_reference_table('plugin_state');
SELECT create_reference_table('products');
SELECT create_reference_table('api_keys');
SELECT create_reference_table('event_queue');
SELECT create_reference_table('instance_heartbeat');
SELECT create_reference_table('leader_role');

-- Spread by customer, all rows of a customer on one worker.
SELECT create_distributed_table('customers', 'id');
SELECT create_distributed_table('customer_users', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('orders', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('instances', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('invoices', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('invoice_items', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('payments', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('payment_refunds', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('balance_transactions', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('ledger_transactions', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('ledger_entries', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('tickets', 'customer_id', colocate_with => 'customers');
SELECT create_distributed_table('ticket_replies', 'customer_id', colocate_with => 'customers');

COMMIT;

-- On the coordinator only, as they are:
--   gateway_transactions
--   idempotency_keys
--   invoice_counters
--   ledger_checks
--   operation_log_head
--   operation_logs
--   refresh_tokens
--   unique_names
--   verification_codes
