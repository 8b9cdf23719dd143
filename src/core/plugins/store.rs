//! SQL of definitions, interfaces and what scripts remember.

use serde_json::Value;
use sqlx::types::Json;

use super::model::{Definition, Health, Interface};
use crate::core::{
    database::{Source, Tx},
    error::{Error, Result},
    id::Id,
    time::Timestamp,
};

const DEFINITION: &str = "SELECT id, plugin_type, plugin_id, file_name, has_admin_page, version, config_schema, script_source, script_hash, \
                          problem, created_at, updated_at FROM plugins WHERE 1 = 1";
const INTERFACE: &str = "SELECT interface.id, interface.plugin_def_id, interface.plugin_type, interface.plugin_id, interface.display_name, \
                         interface.config, interface.config_schema, interface.enabled, interface.is_healthy, interface.health_error, \
                         interface.last_check_at, interface.script_source, interface.script_hash, interface.script_edited, \
                         interface.created_at, interface.updated_at, COALESCE(interface.has_admin_page, plugins.has_admin_page, FALSE) AS has_admin_page, \
                         COALESCE(plugins.version, '0.0.0') AS plugin_version FROM plugin_interfaces AS interface \
                         LEFT JOIN plugins ON plugins.id = interface.plugin_def_id WHERE 1 = 1";

/// All definitions, by kind and name; there are few.
pub(super) async fn definitions(source: impl Source<'_>, plugin_type: Option<String>) -> Result<Vec<Definition>> {
    source.q(DEFINITION).filter(" AND plugin_type = ", plugin_type).push(" ORDER BY plugin_type, plugin_id").all().await
}

/// The definition with this identifier.
pub(super) async fn find_definition(source: impl Source<'_>, id: Id) -> Result<Option<Definition>> {
    source.q(DEFINITION).push_bind(" AND id = ", id).opt().await
}

/// The definition with this kind and name.
pub(super) async fn find_definition_by_name(
    source: impl Source<'_>,
    plugin_type: &str,
    plugin_id: &str,
) -> Result<Option<Definition>> {
    source
        .q(DEFINITION)
        .push_bind(" AND plugin_type = ", plugin_type.to_owned())
        .push_bind(" AND plugin_id = ", plugin_id.to_owned())
        .opt()
        .await
}

/// Makes a definition's row where there is none, and keeps others from changing it until the transaction ends.
pub(super) async fn lock_definition(tx: &mut Tx, new: &Definition) -> Result<()> {
    tx.q("INSERT INTO plugins (id, plugin_type, plugin_id, file_name, has_admin_page, version, config_schema, script_source, script_hash, \
          problem, created_at, updated_at) VALUES ($1, $2, $3, $4, FALSE, $5, $6, '', '', '', $7, $7) \
          ON CONFLICT (plugin_type, plugin_id) DO NOTHING")
        .bind(new.id)
        .bind(new.plugin_type.clone())
        .bind(new.plugin_id.clone())
        .bind(new.file_name.clone())
        .bind(new.version.clone())
        .bind(new.config_schema.clone())
        .bind(new.created_at)
        .execute()
        .await?;
    tx.q_for_update("SELECT id FROM plugins WHERE plugin_type = $1 AND plugin_id = $2")
        .bind(new.plugin_type.clone())
        .bind(new.plugin_id.clone())
        .lock()
        .scalar::<Id>()
        .await
        .map(|_| ())
}

/// Keeps others from changing a definition, or making an interface of it, until the transaction ends; `None` when it is
/// not there any more.
pub(super) async fn lock_known(tx: &mut Tx, id: Id) -> Result<Option<Definition>> {
    tx.q_for_update("SELECT id FROM plugins WHERE id = $1").bind(id).lock().scalar_opt::<Id>().await?;
    find_definition(tx, id).await
}

/// Removes a definition that no interface refers to.
pub(super) async fn delete_definition(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q("DELETE FROM plugins WHERE id = $1").bind(id).execute_one().await
}

/// Writes a definition, new or changed.
pub(super) async fn save_definition(tx: &mut Tx, definition: &Definition) -> Result<()> {
    tx.q("INSERT INTO plugins (id, plugin_type, plugin_id, file_name, has_admin_page, version, config_schema, script_source, script_hash, \
          problem, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
          ON CONFLICT (plugin_type, plugin_id) DO UPDATE SET file_name = excluded.file_name, has_admin_page = excluded.has_admin_page, \
          version = excluded.version, config_schema = excluded.config_schema, script_source = excluded.script_source, \
          script_hash = excluded.script_hash, problem = excluded.problem, updated_at = excluded.updated_at")
        .bind(definition.id)
        .bind(definition.plugin_type.clone())
        .bind(definition.plugin_id.clone())
        .bind(definition.file_name.clone())
        .bind(definition.has_admin_page)
        .bind(definition.version.clone())
        .bind(definition.config_schema.clone())
        .bind(definition.script_source.clone())
        .bind(definition.script_hash.clone())
        .bind(definition.problem.clone())
        .bind(definition.created_at)
        .bind(definition.updated_at)
        .execute_one()
        .await
}

/// The interfaces of a definition.
pub(super) async fn of_definition(source: impl Source<'_>, definition: Id) -> Result<Vec<Interface>> {
    source
        .q(INTERFACE)
        .push_bind(" AND interface.plugin_def_id = ", definition)
        .push(" ORDER BY interface.id")
        .all()
        .await
}

/// Writes an interface's form and, unless somebody edited it, its script.
pub(super) async fn save_form(
    tx: &mut Tx,
    at: Timestamp,
    interface: &Interface,
    definition: &Definition,
) -> Result<()> {
    tx.q("UPDATE plugin_interfaces SET config_schema = $2, updated_at = $3 WHERE id = $1")
        .bind(interface.id)
        .bind(interface.config_schema.clone())
        .bind(at)
        .execute_one()
        .await?;
    tx.q("UPDATE plugin_interfaces SET script_source = $2, script_hash = $3 WHERE id = $1 AND script_edited = FALSE")
        .bind(interface.id)
        .bind(definition.script_source.clone())
        .bind(definition.script_hash.clone())
        .execute()
        .await
        .map(|_| ())
}

/// Ties interfaces that were made before their definition was known to it.
pub(super) async fn adopt(tx: &mut Tx, definition: &Definition) -> Result<u64> {
    tx.q("UPDATE plugin_interfaces SET plugin_def_id = $1 WHERE plugin_def_id IS NULL AND plugin_type = $2 AND plugin_id = $3")
        .bind(definition.id)
        .bind(definition.plugin_type.clone())
        .bind(definition.plugin_id.clone())
        .execute()
        .await
}

/// All interfaces, of one kind or of all, in the order of their making; there are few.
pub(crate) async fn interfaces(source: impl Source<'_>, plugin_type: Option<String>) -> Result<Vec<Interface>> {
    source
        .q(INTERFACE)
        .filter(" AND interface.plugin_type = ", plugin_type)
        .push(" ORDER BY interface.created_at, interface.id")
        .all()
        .await
}

/// The interface with this identifier.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Interface>> {
    source.q(INTERFACE).push_bind(" AND interface.id = ", id).opt().await
}

/// Keeps others from changing an interface until the transaction ends; nothing happens when there is none.
pub(crate) async fn lock(tx: &mut Tx, id: Id) -> Result<()> {
    tx.q_for_update("SELECT id FROM plugin_interfaces WHERE id = $1")
        .bind(id)
        .lock()
        .scalar_opt::<Id>()
        .await
        .map(|_| ())
}

/// Whether there is an interface with this kind, name and display name.
pub(super) async fn name_taken(source: impl Source<'_>, interface: &Interface) -> Result<bool> {
    let taken = source
        .q("SELECT CAST(COUNT(*) AS BIGINT) FROM plugin_interfaces WHERE plugin_type = $1 AND plugin_id = $2 AND display_name = $3 AND id <> $4")
        .bind(interface.plugin_type.clone())
        .bind(interface.plugin_id.clone())
        .bind(interface.display_name.clone())
        .bind(interface.id)
        .scalar::<i64>()
        .await?;
    Ok(taken > 0)
}

/// Writes a new interface.
pub(super) async fn insert(tx: &mut Tx, interface: &Interface) -> Result<()> {
    tx.q("INSERT INTO plugin_interfaces (id, plugin_def_id, plugin_type, plugin_id, display_name, config, config_schema, enabled, is_healthy, \
          health_error, last_check_at, script_source, script_hash, script_edited, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)")
        .bind(interface.id)
        .bind(interface.plugin_def_id)
        .bind(interface.plugin_type.clone())
        .bind(interface.plugin_id.clone())
        .bind(interface.display_name.clone())
        .bind(interface.config.clone())
        .bind(interface.config_schema.clone())
        .bind(interface.enabled)
        .bind(interface.is_healthy)
        .bind(interface.health_error.clone())
        .bind(interface.last_check_at)
        .bind(interface.script_source.clone())
        .bind(interface.script_hash.clone())
        .bind(interface.script_edited)
        .bind(interface.created_at)
        .execute_one()
        .await
}

/// Writes an interface's name, settings with their form, and whether it may be used.
pub(super) async fn save(tx: &mut Tx, at: Timestamp, interface: &Interface) -> Result<()> {
    tx.q("UPDATE plugin_interfaces SET display_name = $2, config = $3, enabled = $4, updated_at = $5, config_schema = $6 WHERE id = $1")
        .bind(interface.id)
        .bind(interface.display_name.clone())
        .bind(interface.config.clone())
        .bind(interface.enabled)
        .bind(at)
        .bind(interface.config_schema.clone())
        .execute_one()
        .await
}

/// Writes the script that an interface runs, and what was found in it.
pub(super) async fn save_source(tx: &mut Tx, at: Timestamp, interface: &Interface) -> Result<()> {
    // A script that is the definition's has a page when that one has.
    let page = interface.script_edited.then_some(interface.has_admin_page);
    tx.q("UPDATE plugin_interfaces SET script_source = $2, script_hash = $3, script_edited = $4, has_admin_page = $5, config_schema = $6, \
          updated_at = $7 WHERE id = $1")
        .bind(interface.id)
        .bind(interface.script_source.clone())
        .bind(interface.script_hash.clone())
        .bind(interface.script_edited)
        .bind(page)
        .bind(interface.config_schema.clone())
        .bind(at)
        .execute_one()
        .await
}

/// How many rows of what kind point at an interface; those without any are left out.
pub(super) async fn uses(tx: &mut Tx, interface: Id) -> Result<Vec<(String, i64)>> {
    let rows: Vec<Use> = tx
        .q("SELECT noun, amount FROM (SELECT 'products' AS noun, CAST(COUNT(*) AS BIGINT) AS amount FROM products WHERE interface_id = $1 \
            UNION ALL SELECT 'orders', CAST(COUNT(*) AS BIGINT) FROM orders WHERE provider_interface_id = $1 OR gateway_interface_id = $1 \
            UNION ALL SELECT 'instances', CAST(COUNT(*) AS BIGINT) FROM instances WHERE provider_interface_id = $1 \
            UNION ALL SELECT 'payments', CAST(COUNT(*) AS BIGINT) FROM payments WHERE gateway_interface_id = $1) AS uses \
            WHERE amount > 0 ORDER BY noun")
        .bind(interface)
        .all()
        .await?;
    Ok(rows.into_iter().map(|row| (row.noun, row.amount)).collect())
}

#[derive(sqlx::FromRow)]
struct Use {
    noun: String,
    amount: i64,
}

/// Removes an interface and what its script remembers.
pub(super) async fn delete(tx: &mut Tx, interface: Id) -> Result<()> {
    tx.q("DELETE FROM plugin_state WHERE interface_id = $1").bind(interface).execute().await?;
    tx.q("DELETE FROM plugin_interfaces WHERE id = $1").bind(interface).execute_one().await
}

/// The enabled interfaces that are due for a check, the oldest first.
pub(super) async fn health_due(source: impl Source<'_>, now: Timestamp, limit: i64) -> Result<Vec<Id>> {
    source
        .q("SELECT id FROM plugin_interfaces WHERE enabled = TRUE AND (health_due_at IS NULL OR health_due_at <= $1) \
            ORDER BY COALESCE(health_due_at, created_at), id LIMIT $2")
        .bind(now)
        .bind(limit)
        .scalars()
        .await
}

/// Moves the next check of an interface; `false` when it is not due, or not any more.
pub(super) async fn claim_health(tx: &mut Tx, interface: Id, now: Timestamp, next: Timestamp) -> Result<bool> {
    let moved = tx
        .q("UPDATE plugin_interfaces SET health_due_at = $3 \
            WHERE id = $1 AND enabled = TRUE AND (health_due_at IS NULL OR health_due_at <= $2)")
        .bind(interface)
        .bind(now)
        .bind(next)
        .execute()
        .await?;
    Ok(moved == 1)
}

/// Has an interface asked again at `at`.
pub(super) async fn put_off_health(tx: &mut Tx, interface: Id, at: Timestamp) -> Result<()> {
    tx.q("UPDATE plugin_interfaces SET health_due_at = $2 WHERE id = $1")
        .bind(interface)
        .bind(at)
        .execute()
        .await
        .map(|_| ())
}

/// Writes what a check said.
pub(super) async fn save_health(tx: &mut Tx, interface: Id, health: &Health) -> Result<()> {
    tx.q("UPDATE plugin_interfaces SET is_healthy = $2, health_error = $3, last_check_at = $4 WHERE id = $1")
        .bind(interface)
        .bind(health.is_healthy)
        .bind(health.error.clone())
        .bind(health.checked_at)
        .execute_one()
        .await
}

/// What a script remembers under a key.
pub(super) async fn state_get(source: impl Source<'_>, interface: Id, key: &str) -> Result<Option<String>> {
    source
        .q("SELECT value FROM plugin_state WHERE interface_id = $1 AND key = $2")
        .bind(interface)
        .bind(key.to_owned())
        .scalar_opt()
        .await
}

/// Remembers a value.
pub(super) async fn state_set(tx: &mut Tx, at: Timestamp, interface: Id, key: &str, value: &str) -> Result<()> {
    tx.q("INSERT INTO plugin_state (interface_id, key, value, updated_at) VALUES ($1, $2, $3, $4) \
          ON CONFLICT (interface_id, key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at")
        .bind(interface)
        .bind(key.to_owned())
        .bind(value.to_owned())
        .bind(at)
        .execute_one()
        .await
}

/// Remembers a value where there is none, and says which one is there now.
pub(super) async fn state_claim(tx: &mut Tx, at: Timestamp, interface: Id, key: &str, value: &str) -> Result<String> {
    tx.q("INSERT INTO plugin_state (interface_id, key, value, updated_at) VALUES ($1, $2, $3, $4) ON CONFLICT (interface_id, key) DO NOTHING")
        .bind(interface)
        .bind(key.to_owned())
        .bind(value.to_owned())
        .bind(at)
        .execute()
        .await?;
    let held = state_get(tx, interface, key).await?;
    held.ok_or_else(|| Error::internal("plugin.state", format!("the key `{key}` vanished while it was claimed")))
}

/// Forgets a value.
pub(super) async fn state_delete(tx: &mut Tx, interface: Id, key: &str) -> Result<()> {
    tx.q("DELETE FROM plugin_state WHERE interface_id = $1 AND key = $2")
        .bind(interface)
        .bind(key.to_owned())
        .execute()
        .await
        .map(|_| ())
}

/// An empty object or whatever is there, as JSON for a column.
pub(super) fn json(value: Value) -> Json<Value> {
    Json(value)
}
