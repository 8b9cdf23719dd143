//! What an interface's own page for the administration needs, and the end of an interface.

use serde_json::{Map, Value, json};

use super::{
    engine::ACTION_PREFIX,
    host::{NO_FUNCTION, no_function},
    model::Interface,
    operations::{find, record, summary},
    store,
    trace::Step,
};
use crate::core::{
    actor::{Actor, Permission, Role},
    app::App,
    database::is_foreign_key_violation,
    error::{Error, Result},
    id::Id,
    text::{self, NAME_MAX},
};

/// Bytes of a page.
const PAGE_MAX: usize = 1024 * 1024;
/// Bytes of a call's arguments and of its result.
const ARGUMENTS_MAX: usize = 1024 * 1024;
/// Bytes of a function's name.
const FUNCTION_MAX: usize = 100;
/// How callers over the network, and those at the command line, know the arguments.
const FIELD: &str = "args_json";
const OPTION: &str = "--args";
/// How alike two names of functions must be, from 0 to 1, for the one to be meant by the other.
const ALIKE_MIN: f64 = 0.8;

/// A plugin's own page.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AdminPage {
    /// Its title.
    pub title: String,
    /// The page. It is the script's, and belongs into a sandboxed frame.
    pub html: String,
}

/// The interface's own page for the administration. For administrators.
///
/// # Errors
/// NotFound; `plugin.no_page` for a script without one; Internal when the script fails or answers with more than 1 MiB;
/// PermissionDenied for others.
pub async fn admin_page(app: &App, actor: &Actor, id: Id) -> Result<AdminPage> {
    actor.require(Permission::Admin)?;
    let interface = find(&app.database, id).await?;
    let answer = app.plugins.call_json(&interface, "admin_page", json!({})).await.map_err(|error| {
        if error.code() == NO_FUNCTION {
            Error::invalid("plugin.no_page", format!("the plugin of `{}` has no page", interface.display_name))
        } else {
            error
        }
    })?;
    read_page(&interface, answer)
}

/// A page is `{title, html}`, as an object or as JSON text, or HTML alone.
fn read_page(interface: &Interface, answer: Value) -> Result<AdminPage> {
    let nonsense =
        |what: &str| Error::internal("plugin.admin_page", format!("the page of `{}` {what}", interface.display_name));
    let mut title = String::new();
    let html = match answer {
        Value::String(html) => html,
        Value::Object(mut page) => {
            if let Some(Value::String(given)) = page.remove("title") {
                title = text::shown(given.trim(), NAME_MAX);
            }
            match page.remove("html").or_else(|| page.remove("html_content")) {
                Some(Value::String(html)) => html,
                _ => return Err(nonsense("is an object without the text `html`")),
            }
        }
        _ => return Err(nonsense("is neither a text nor an object")),
    };
    if html.len() > PAGE_MAX {
        return Err(nonsense(&format!("has {} bytes, at most {PAGE_MAX} are allowed", html.len())));
    }
    if title.is_empty() {
        title.clone_from(&interface.display_name);
    }
    Ok(AdminPage { title, html })
}

/// Calls a function of the script for its page, and gives back what it returned. Only functions whose names begin with
/// `admin_` can be called, and arguments can't take the place of settings. For administrators.
///
/// # Errors
/// NotFound; `plugin.function` for another name; `plugin.no_function`; `plugin.arguments` for what is no JSON object and
/// for the name of a setting; Internal when the script refuses or fails; PermissionDenied for others.
pub async fn call_action(app: &App, actor: &Actor, id: Id, function: &str, arguments: &str) -> Result<Value> {
    actor.require(Permission::Admin)?;
    check_name(function, ACTION_PREFIX)?;
    let interface = find(&app.database, id).await?;
    let arguments = read_arguments(FIELD, arguments)?;
    refuse_settings(&interface, &arguments)?;
    let answer = app.plugins.call_json(&interface, function, Value::Object(arguments)).await;
    finish(app, actor, &interface, function, answer).await
}

/// Functions of the contract that only tell something. Every other one may take money, make a server or send a message.
const HARMLESS: [&str; 16] = [
    "version",
    "config_schema",
    "initialize",
    "health_check",
    "admin_page",
    "supported_events",
    "templates",
    "query_payment",
    "spec_template",
    "sync_products",
    "query_price",
    "get_instance_status",
    "instance_actions",
    "instance_detail_sections",
    "sync_upstream_instances",
    "get_upstream_balance",
];

/// Whether a call of this function by hand needs no second thought: it only tells something, or it is made for pages.
#[must_use]
pub fn is_harmless(function: &str) -> bool {
    HARMLESS.contains(&function) || function.starts_with(ACTION_PREFIX)
}

/// Refuses a function that the interface's script does not define, so that nobody is asked whether to call it. For
/// administrators.
///
/// # Errors
/// NotFound; `plugin.function` for what is no name; `plugin.no_function`, with the nearest one; Unavailable when the
/// script can't be looked at now; PermissionDenied for others.
pub async fn require_function(app: &App, actor: &Actor, id: Id, function: &str) -> Result<()> {
    actor.require(Permission::Admin)?;
    check_name(function, "")?;
    let interface = find(&app.database, id).await?;
    // One of a type that this program does not know is refused when it is called.
    let Some(kind) = interface.kind() else { return Ok(()) };
    let examined = app.plugins.engine().examine(kind, &interface.display_name, &interface.script_source).await;
    let found = examined.map_err(|cause| {
        Error::unavailable("plugin.unavailable", "the script can't be looked at now").caused_by(cause)
    })?;
    let callable: Vec<&str> =
        found.functions.iter().filter(|known| known.parameters == 2).map(|known| known.name.as_str()).collect();
    if callable.contains(&function) {
        return Ok(());
    }
    if let Some(known) = found.functions.iter().find(|known| known.name == function) {
        let noun = if known.parameters == 1 { "parameter" } else { "parameters" };
        let message =
            format!("`{function}` of the script of `{}` takes {} {noun}", interface.display_name, known.parameters);
        return Err(
            Error::invalid(NO_FUNCTION, message).hint("only functions that take two can be called from outside")
        );
    }
    let nearest = text::nearest(function, callable, ALIKE_MIN, str::to_owned);
    Err(no_function(&interface.display_name, function).hint(match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None => "it would take two parameters, like every function of a plugin".to_owned(),
    }))
}

/// Calls any function of an interface's script, as its author does who tries something out, and gives back what it
/// returned with what it asked of the host. Only for somebody at the machine itself: an administrator over the network
/// has [`call_action`]. Whether the function is one that spends money is for the caller to ask: see [`is_harmless`].
///
/// # Errors
/// NotFound; `plugin.function` for what is no name; `plugin.no_function`; `plugin.arguments` for what is no JSON object;
/// PermissionDenied for others.
pub async fn call_function(
    app: &App,
    actor: &Actor,
    id: Id,
    function: &str,
    arguments: &str,
) -> Result<(Result<Value>, Vec<Step>)> {
    actor.require(Permission::Admin)?;
    if actor.role() != Role::Local {
        return Err(Error::denied("plugin.local", "functions beside `admin_…` are called at the command line only"));
    }
    check_name(function, "")?;
    let interface = find(&app.database, id).await?;
    let arguments = read_arguments(OPTION, arguments)?;
    let (plugins, recorder) = app.plugins.recorded();
    let answer = plugins.call_json(&interface, function, Value::Object(arguments)).await;
    plugins.shutdown().await;
    Ok((finish(app, actor, &interface, function, answer).await, recorder.take()))
}

/// Notes that a function was called, and gives back what it returned.
async fn finish(
    app: &App,
    actor: &Actor,
    interface: &Interface,
    function: &str,
    answer: Result<Value>,
) -> Result<Value> {
    if matches!(&answer, Err(error) if error.code() == NO_FUNCTION) {
        return answer;
    }
    // Also when it failed: nobody knows what it did by then. The arguments may hold anything, so they are not kept.
    let detail = json!({ "function": function, "failed": answer.is_err() });
    let mut tx = app.database.begin().await?;
    record(&mut tx, app, actor, "plugin_interface.call", interface, &detail).await?;
    tx.commit().await?;
    let answer = answer?;
    if answer.to_string().len() > ARGUMENTS_MAX {
        let message = format!("`{function}` answered with more than {ARGUMENTS_MAX} bytes");
        return Err(Error::internal("plugin.result", message));
    }
    Ok(answer)
}

fn check_name(function: &str, prefix: &str) -> Result<()> {
    let is_name = !function.is_empty() && function.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name && function.len() <= FUNCTION_MAX && function.starts_with(prefix) {
        return Ok(());
    }
    let shown = text::shown(function, text::SHOWN_MAX);
    let wanted = match prefix {
        "" => "the name of a function, such as `query_price`".to_owned(),
        prefix => format!("a name that begins with `{prefix}`, such as `admin_list`"),
    };
    Err(Error::invalid("plugin.function", format!("`function` is `{shown}`, expected {wanted}")))
}

fn refuse(field: &str, what: &str) -> Error {
    Error::invalid("plugin.arguments", format!("`{field}` {what}"))
}

fn read_arguments(field: &str, text: &str) -> Result<Map<String, Value>> {
    let refuse = |what: &str| refuse(field, what);
    if text.len() > ARGUMENTS_MAX {
        return Err(refuse(&format!("has {} bytes, at most {ARGUMENTS_MAX} are allowed", text.len())));
    }
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err(refuse("is no object, expected something like `{\"key\": \"value\"}`")),
        Err(cause) => Err(refuse(&format!("is no JSON: line {}, column {}", cause.line(), cause.column()))),
    }
}

/// Arguments come from a page in a browser: one that was tampered with must not send the settings' secrets elsewhere.
fn refuse_settings(interface: &Interface, arguments: &Map<String, Value>) -> Result<()> {
    match arguments.keys().find(|key| interface.has_setting(key)) {
        None => Ok(()),
        Some(key) => {
            let shown = text::shown(key, text::SHOWN_MAX);
            Err(refuse(FIELD, &format!("has the key `{shown}`, which is a setting of the interface")))
        }
    }
}

/// Removes an interface that nothing points at, with what its script remembers. For administrators.
///
/// # Errors
/// NotFound; `plugin.in_use`, saying by how many of what; PermissionDenied for others.
pub async fn delete(app: &App, actor: &Actor, id: Id) -> Result<()> {
    actor.require(Permission::Admin)?;
    let mut tx = app.database.begin().await?;
    store::lock(&mut tx, id).await?;
    let interface = find(&mut tx, id).await?;
    let in_use = |uses: &str| {
        Error::invalid("plugin.in_use", format!("`{}` is used by {uses}", interface.display_name))
            .hint("disable it instead")
    };
    let uses = store::uses(&mut tx, id).await?;
    if !uses.is_empty() {
        let uses: Vec<String> = uses
            .iter()
            .map(|(noun, count)| match count {
                1 => format!("1 {}", noun.trim_end_matches('s')),
                count => format!("{count} {noun}"),
            })
            .collect();
        return Err(in_use(&uses.join(", ")));
    }
    // What came in between is seen by the foreign keys.
    store::delete(&mut tx, id)
        .await
        .map_err(|error| if is_foreign_key_violation(&error) { in_use("something new") } else { error })?;
    record(&mut tx, app, actor, "plugin_interface.delete", &interface, &json!({ "before": summary(&interface) }))
        .await?;
    tx.commit().await
}
