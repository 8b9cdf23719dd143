//! Use cases of interfaces.

use serde_json::{Value, json};

use super::{
    Kind, config,
    health::{self, check_health},
    host::require_kind,
    model::{Definition, Interface},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit,
    database::{Source, is_unique_violation},
    error::{Error, Result},
    id::Id,
    text::{self, NAME_MAX},
};

/// Bytes of an interface's settings.
const CONFIG_MAX: usize = 1024 * 1024;

/// An interface to be made.
#[derive(Clone, Debug)]
pub struct NewInterface {
    /// The definition.
    pub definition_id: Id,
    /// What people call it.
    pub display_name: String,
    /// The settings as JSON text; empty for none.
    pub config_json: String,
}

/// What to change of an interface.
#[derive(Clone, Debug, Default)]
pub struct InterfaceUpdate {
    /// Another name.
    pub display_name: Option<String>,
    /// Other settings, whole; a masked secret keeps its value.
    pub config_json: Option<String>,
}

/// All definitions. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn definitions(app: &App, actor: &Actor, kind: Option<Kind>) -> Result<Vec<Definition>> {
    actor.require(Permission::Admin)?;
    store::definitions(&app.database, kind.map(|kind| kind.as_db().to_owned())).await
}

/// The definitions whose files, as they are now, can't be used. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn broken(app: &App, actor: &Actor) -> Result<Vec<Definition>> {
    let mut found = definitions(app, actor, None).await?;
    found.retain(|definition| !definition.problem.is_empty());
    Ok(found)
}

/// One definition. For administrators.
///
/// # Errors
/// NotFound; PermissionDenied for others.
pub async fn definition(app: &App, actor: &Actor, id: Id) -> Result<Definition> {
    actor.require(Permission::Admin)?;
    store::find_definition(&app.database, id).await?.ok_or_else(|| Error::not_found("plugin", id))
}

/// All interfaces. For administrators.
///
/// # Errors
/// PermissionDenied for others.
pub async fn list(app: &App, actor: &Actor, kind: Option<Kind>) -> Result<Vec<Interface>> {
    actor.require(Permission::Admin)?;
    store::interfaces(&app.database, kind.map(|kind| kind.as_db().to_owned())).await
}

/// The enabled interfaces of these kinds, for everybody who is logged in: what a storefront offers. Notifiers are no
/// part of that and are for administrators. Their settings must not leave the caller.
///
/// # Errors
/// Unauthenticated for nobody; PermissionDenied for others who ask for notifiers.
pub async fn visible(app: &App, actor: &Actor, kinds: &[Kind]) -> Result<Vec<Interface>> {
    let needed = if kinds.contains(&Kind::Notifier) { Permission::Admin } else { Permission::Authenticated };
    actor.require(needed)?;
    let mut interfaces = store::interfaces(&app.database, None).await?;
    interfaces.retain(|interface| interface.enabled && interface.kind().is_some_and(|kind| kinds.contains(&kind)));
    Ok(interfaces)
}

/// One interface. For administrators.
///
/// # Errors
/// NotFound; PermissionDenied for others.
pub async fn get(app: &App, actor: &Actor, id: Id) -> Result<Interface> {
    actor.require(Permission::Admin)?;
    find(&app.database, id).await
}

/// The interface, for other slices.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Interface> {
    store::find(source, id).await?.ok_or_else(|| Error::not_found("plugin interface", id))
}

/// The interface in `field`, which must be enabled and of one of these kinds.
pub(crate) async fn usable(source: impl Source<'_>, id: Id, kinds: &[Kind], field: &str) -> Result<Interface> {
    let interface = find(source, id).await?;
    require_kind(&interface, kinds, field)?;
    if !interface.enabled {
        return Err(Error::invalid(
            "plugin.disabled",
            format!("`{field}` names `{}`, which is disabled", interface.display_name),
        ));
    }
    Ok(interface)
}

/// The interface in `field`, enabled or not, which must be of one of these kinds.
pub(crate) async fn of_kind(source: impl Source<'_>, id: Id, kinds: &[Kind], field: &str) -> Result<Interface> {
    let interface = find(source, id).await?;
    require_kind(&interface, kinds, field)?;
    Ok(interface)
}

/// The interface in `field`, of one of these kinds, for calls where a disabled one counts as unknown.
pub(crate) async fn enabled(source: impl Source<'_>, id: Id, kinds: &[Kind], field: &str) -> Result<Interface> {
    let interface = find(source, id).await?;
    require_kind(&interface, kinds, field)?;
    if !interface.enabled {
        return Err(Error::not_found("enabled plugin interface", id).hint("enable it first"));
    }
    Ok(interface)
}

fn read_config(text: &str) -> Result<Value> {
    if text.len() > CONFIG_MAX {
        return Err(Error::invalid(
            "plugin.config",
            format!("`config_json` has {} bytes, at most {CONFIG_MAX} are allowed", text.len()),
        ));
    }
    // NUL can't be stored by PostgreSQL's JSONB, escaped or not.
    if text.contains("\\u0000") || text.contains('\0') {
        return Err(Error::invalid("plugin.config", "`config_json` holds a NUL character"));
    }
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_str(text).map_err(|cause| {
        Error::invalid(
            "plugin.config",
            format!("`config_json` is no JSON: line {}, column {}", cause.line(), cause.column()),
        )
    })
}

/// Makes an interface, disabled. For administrators.
///
/// # Errors
/// NotFound for an unknown definition; `plugin.config` for settings that do not fit its form; `plugin.name_taken`;
/// `plugin.broken` for a definition without a usable script.
pub async fn create(app: &App, actor: &Actor, new: &NewInterface) -> Result<Interface> {
    actor.require(Permission::Admin)?;
    let display_name = text::required("display_name", &new.display_name, NAME_MAX)?;
    let definition = definition(app, actor, new.definition_id).await?;
    if definition.script_source.is_empty() {
        return Err(Error::invalid(
            "plugin.broken",
            format!("`{}` can't be used: {}", definition.file_name, definition.problem),
        ));
    }
    let config = config::complete(&definition.config_schema.0, &Value::Null, read_config(&new.config_json)?)?;
    let at = app.clock.now();
    let interface = Interface {
        id: Id::generate(),
        plugin_def_id: Some(definition.id),
        plugin_type: definition.plugin_type,
        plugin_id: definition.plugin_id,
        display_name,
        config: store::json(config),
        config_schema: definition.config_schema,
        enabled: false,
        is_healthy: false,
        health_error: None,
        last_check_at: None,
        script_source: definition.script_source,
        script_hash: definition.script_hash,
        script_edited: false,
        created_at: at,
        updated_at: at,
        has_admin_page: definition.has_admin_page,
        plugin_version: definition.version,
    };
    let taken = || {
        Error::already_exists(
            "plugin.name_taken",
            format!("an interface of this plugin with the name `{}` exists", interface.display_name),
        )
    };
    let mut tx = app.database.begin().await?;
    if store::name_taken(&mut tx, &interface).await? {
        return Err(taken());
    }
    store::insert(&mut tx, &interface)
        .await
        .map_err(|error| if is_unique_violation(&error) { taken() } else { error })?;
    record(&mut tx, app, actor, "plugin_interface.create", &interface, &json!({ "after": summary(&interface) }))
        .await?;
    tx.commit().await?;
    Ok(interface)
}

/// Changes an interface's name or settings. For administrators.
///
/// # Errors
/// NotFound; `plugin.config`; `plugin.name_taken`.
pub async fn update(app: &App, actor: &Actor, id: Id, change: &InterfaceUpdate) -> Result<Interface> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    store::lock(&mut tx, id).await?;
    let before = find(&mut tx, id).await?;
    let mut interface = before.clone();
    if let Some(name) = &change.display_name {
        interface.display_name = text::required("display_name", name, NAME_MAX)?;
        if store::name_taken(&mut tx, &interface).await? {
            return Err(Error::already_exists(
                "plugin.name_taken",
                format!("an interface of this plugin with the name `{}` exists", interface.display_name),
            ));
        }
    }
    if let Some(text) = &change.config_json {
        let config = config::keep_secrets(&before.config_schema.0, &before.config.0, read_config(text)?)?;
        let config = config::complete(&before.config_schema.0, &before.config.0, config)?;
        let form = config::lift_secrecy(&before.config_schema.0, &before.config.0, &config);
        interface.config = store::json(config);
        interface.config_schema = store::json(form);
    }
    interface.updated_at = app.clock.now();
    store::save(&mut tx, interface.updated_at, &interface).await?;
    let detail = audit::change(summary(&before), summary(&interface));
    record(&mut tx, app, actor, "plugin_interface.update", &interface, &detail).await?;
    tx.commit().await?;
    Ok(interface)
}

/// Enables an interface, after its script initialised itself, or disables it. For administrators.
///
/// # Errors
/// NotFound; what the script's `initialize` says, and then it stays as it was.
pub async fn toggle(app: &App, actor: &Actor, id: Id, enable: bool) -> Result<Interface> {
    actor.require(Permission::Admin)?;
    let interface = find(&app.database, id).await?;
    if enable && !interface.enabled {
        app.plugins.call_json(&interface, "initialize", json!({})).await.map_err(|error| {
            Error::invalid("plugin.initialize", format!("`{}` can't be enabled: {error}", interface.display_name))
                .hint("check its settings")
        })?;
    }
    let mut tx = app.database.begin().await?;
    store::lock(&mut tx, id).await?;
    let before = find(&mut tx, id).await?;
    let interface = Interface { enabled: enable, updated_at: app.clock.now(), ..before.clone() };
    store::save(&mut tx, interface.updated_at, &interface).await?;
    let detail = audit::change(json!({ "enabled": before.enabled }), json!({ "enabled": enable }));
    record(&mut tx, app, actor, "plugin_interface.toggle", &interface, &detail).await?;
    tx.commit().await?;
    if enable {
        match check_health(app, actor, id).await {
            // It is enabled, and the worker asks it soon.
            Err(error) if health::was_not_asked(&error) => {
                tracing::warn!(interface = %id, %error, "a plugin interface could not be asked for its health");
            }
            asked => {
                asked?;
            }
        }
        return find(&app.database, id).await;
    }
    Ok(interface)
}

/// What the operation log keeps: never a secret.
pub(super) fn summary(interface: &Interface) -> Value {
    json!({
        "plugin": format!("{}-{}", interface.plugin_type, interface.plugin_id),
        "display_name": interface.display_name,
        "config": interface.masked_config(),
        "enabled": interface.enabled,
    })
}

pub(super) async fn record(
    tx: &mut crate::core::database::Tx,
    app: &App,
    actor: &Actor,
    action: &'static str,
    interface: &Interface,
    detail: &Value,
) -> Result<()> {
    let entry = audit::Entry { action, target_type: "plugin_interface", target_id: interface.id, detail };
    audit::record(tx, app.clock.now(), actor, entry).await
}
