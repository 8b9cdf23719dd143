//! `rustbill plugin`: scripts, and the interfaces that give them a configuration.

mod author;
mod begin;
mod call;
mod script;
mod settings;
mod supply;
mod views;

use clap::{Args, Subcommand};

use self::{
    author::AuthorCommand,
    script::ScriptCommand,
    settings::SettingsArguments,
    supply::SupplyCommand,
    views::{DefinitionView, HealthView, InterfaceView},
};
use super::{
    Context,
    arguments::optional_word,
    show::{self, fields, page, whole},
};
use crate::core::{
    app::App,
    error::{Error, Result},
    id::Id,
    plugins::{self, Definition, Health, Interface, InterfaceUpdate, Kind, NewInterface, ScanReport, Step},
};

/// Look for plugins, and make and manage their interfaces
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A plugin is a script; an interface is a plugin with a configuration. Products, payments and notifications use interfaces.

Examples:
  rustbill plugin list
  rustbill plugin create --plugin gateway-banktransfer --name 'Bank' --config-file bank.json \\
    --enable")]
pub(super) enum PluginCommand {
    List(ListPlugins),
    /// Look for new and changed scripts now
    #[command(after_help = "\
A plugin whose file is gone is marked, and removed after 15 minutes if no interface uses it.

Examples:
  rustbill plugin scan
  rustbill plugin scan --output json")]
    Scan,
    Interfaces(ListInterfaces),
    /// Show one interface; secrets are masked
    #[command(after_help = "Examples:\n  rustbill plugin show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show {
        /// The interface
        id: String,
    },
    Create(Create),
    Update(Update),
    /// Let an interface be used, after its script agreed to its configuration
    #[command(after_help = "Examples:\n  rustbill plugin enable 0190a5b0-7c1e-7000-8000-000000000001")]
    Enable {
        /// The interface
        id: String,
    },
    /// Let an interface not be used any more
    #[command(after_help = "Examples:\n  rustbill plugin disable 0190a5b0-7c1e-7000-8000-000000000001")]
    Disable {
        /// The interface
        id: String,
    },
    /// Ask an interface whether it is well
    #[command(after_help = "\
Ends with 0 when it is well and with 8 (unavailable) when it is not; what it said is printed either way.

Examples:
  rustbill plugin health 0190a5b0-7c1e-7000-8000-000000000001")]
    Health {
        /// The interface
        id: String,
    },
    #[command(flatten)]
    Author(AuthorCommand),
    #[command(flatten)]
    Script(ScriptCommand),
    #[command(flatten)]
    Supply(SupplyCommand),
}

/// List the plugins that were found
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rustbill plugin list\n  rustbill plugin list --type gateway --output json")]
pub(super) struct ListPlugins {
    /// Of one type: gateway, notifier, provider or upstream
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

/// List interfaces; secrets are masked
#[derive(Debug, Args)]
#[command(after_help = "\
The table shows the beginning of a long health_error; `plugin show ID`, JSON and CSV have the whole.

Examples:
  rustbill plugin interfaces
  rustbill plugin interfaces --type gateway")]
pub(super) struct ListInterfaces {
    /// Of one type: gateway, notifier, provider or upstream
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

/// Make an interface of a plugin
#[derive(Debug, Args)]
#[command(after_help = "\
Secrets belong into --config-file (`-` is stdin): others on this machine can see --config-json and --set while it runs.

Examples:
  rustbill plugin create --plugin gateway-banktransfer --name 'Bank' --set bank_name=ICBC \\
    --set account_name=Shop \\
    --set account_number=6222020000000000 --enable
  rustbill plugin create --plugin provider/stock --name 'Rack 1' \\
    --config-file servers.json --enable")]
pub(super) struct Create {
    /// A name such as provider-stock, TYPE/ID, or an identifier of `rustbill plugin list`
    #[arg(long)]
    plugin: String,
    /// What people call it
    #[arg(long)]
    name: String,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Change an interface's name or configuration
#[derive(Debug, Args)]
#[command(after_help = "\
--config-json and --config-file replace the whole configuration; --set changes single keys of it. A masked secret \
that is sent back keeps its value.

Examples:
  rustbill plugin update 0190a5b0-7c1e-7000-8000-000000000001 --name 'Bank, new account' \\
    --set account_number=6222
  rustbill plugin update 0190a5b0-7c1e-7000-8000-000000000001 --config-file - < bank.json")]
pub(super) struct Update {
    /// The interface
    id: String,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
}

impl PluginCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Scan => print_report(context, &plugins::scan(context.app().await?, &context.actor).await?),
            Self::Interfaces(list) => list.run(context).await,
            Self::Show { id } => {
                let id = Id::parse("id", &id)?;
                print(context, plugins::get(context.app().await?, &context.actor, id).await?)
            }
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Enable { id } => toggle(context, &id, true).await,
            Self::Disable { id } => toggle(context, &id, false).await,
            Self::Health { id } => health(context, &id).await,
            Self::Author(author) => author.run(context).await,
            Self::Script(script) => script.run(context).await,
            Self::Supply(supply) => supply.run(context).await,
        }
    }
}

impl ListPlugins {
    async fn run(self, context: &Context) -> Result<()> {
        let kind = optional_word(self.kind.as_deref(), plugins::parse_type)?;
        let mut found = definitions(context, context.app().await?).await?;
        found.retain(|definition| kind.is_none_or(|kind| definition.plugin_type == kind.as_db()));
        let found = whole(found).map(DefinitionView::from);
        page!(context, found; id, plugin_type, plugin_id, version, file_name, problem)?;
        let is_broken =
            |definition: &&DefinitionView| !definition.problem.is_empty() && !plugins::is_gone(&definition.problem);
        note_broken(context, found.items.iter().filter(is_broken).count());
        Ok(())
    }
}

impl ListInterfaces {
    async fn run(self, context: &Context) -> Result<()> {
        let kind = optional_word(self.kind.as_deref(), plugins::parse_type)?;
        let found = plugins::list(context.app().await?, &context.actor, kind).await?;
        let found = whole(found).map(|interface| {
            let view = InterfaceView::from(interface);
            InterfaceView { health_error: view.health_error.map(|error| show::cut(context, error)), ..view }
        });
        page!(context, found; id, display_name, plugin_type, plugin_id, plugin_version, enabled, is_healthy,
            health_error, last_check_at)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let app = context.app().await?;
        let new = NewInterface {
            definition_id: definition_named(context, app, &self.plugin).await?,
            display_name: self.name,
            config_json: self.settings.config(None)?.unwrap_or_default(),
        };
        let made = plugins::create(app, &context.actor, &new).await?;
        finish(context, app, made, self.settings.enable).await
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        if self.name.is_none() && self.settings.is_empty() {
            return Err(Error::invalid("cli.nothing", "there is nothing to change")
                .hint("pass --name, --config-json, --config-file, --set or --enable"));
        }
        let id = Id::parse("id", &self.id)?;
        let app = context.app().await?;
        let current = plugins::get(app, &context.actor, id).await?.masked_config();
        let change = InterfaceUpdate { display_name: self.name, config_json: self.settings.config(Some(current))? };
        let changed = plugins::update(app, &context.actor, id, &change).await?;
        finish(context, app, changed, self.settings.enable).await
    }
}

/// Enables what was written, if that is wanted, and prints it.
async fn finish(context: &Context, app: &App, interface: Interface, enable: bool) -> Result<()> {
    if !enable {
        return print(context, interface);
    }
    match plugins::toggle(app, &context.actor, interface.id, true).await {
        Ok(enabled) => {
            if let (false, Some(_)) = (enabled.is_healthy, enabled.last_check_at) {
                let why = enabled.health_error.clone().unwrap_or_default();
                context.printer.note(&format!("warning: the interface is enabled and not well: {why}"));
            }
            print(context, enabled)
        }
        Err(error) => {
            // It was written all the same, and who tries again needs to know which one it is, or makes another one.
            let id = interface.id;
            print(context, interface)?;
            Err(error.hint(format!(
                "the interface was saved and is disabled; mend its settings with `rustbill plugin update {id} --set \
                 KEY=VALUE`, then enable it with `rustbill plugin update {id} --enable`"
            )))
        }
    }
}

async fn toggle(context: &Context, id: &str, enable: bool) -> Result<()> {
    let id = Id::parse("id", id)?;
    print(context, plugins::toggle(context.app().await?, &context.actor, id, enable).await?)
}

async fn health(context: &Context, id: &str) -> Result<()> {
    let id = Id::parse("id", id)?;
    let Health { is_healthy, error, checked_at } =
        plugins::check_health(context.app().await?, &context.actor, id).await?;
    let view = HealthView { id, is_healthy, error, checked_at };
    show::item(context, fields!(view; id, is_healthy, error, checked_at), &view)?;
    if view.is_healthy {
        return Ok(());
    }
    // Why is in what was printed.
    Err(Error::unavailable("plugin.unwell", format!("the interface `{id}` is not well")))
}

/// All definitions. Before the first server looked for scripts there are none, so this does.
async fn definitions(context: &Context, app: &App) -> Result<Vec<Definition>> {
    let found = plugins::definitions(app, &context.actor, None).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    warn_of_broken(context, &plugins::scan(app, &context.actor).await?);
    plugins::definitions(app, &context.actor, None).await
}

/// The definition that `name` means: `provider-stock`, `provider-stock.rn`, `provider/stock` or its
/// identifier.
async fn definition_named(context: &Context, app: &App, name: &str) -> Result<Id> {
    let known = definitions(context, app).await?;
    if let Ok(id) = Id::parse("plugin", name) {
        return Ok(id);
    }
    let wanted = match name.split_once('/') {
        Some((word, id)) => Some((plugins::parse_type(word)?, id.to_owned())),
        None => Kind::from_file_name(&format!("{}.rn", name.trim_end_matches(".rn"))),
    };
    let found = wanted.and_then(|(kind, id)| {
        known.into_iter().find(|definition| definition.plugin_type == kind.as_db() && definition.plugin_id == id)
    });
    found.map(|definition| definition.id).ok_or_else(|| {
        Error::not_found("plugin", name)
            .hint("`rustbill plugin list` shows those that were found, `rustbill plugin scan` looks for new ones")
    })
}

fn print(context: &Context, interface: Interface) -> Result<()> {
    let view = InterfaceView::from(interface);
    let fields = fields!(view; id, display_name, plugin_type, plugin_id, plugin_version, plugin_def_id, enabled,
        is_healthy, health_error, last_check_at, config, script_edited, created_at, updated_at);
    show::item(context, fields, &view)
}

fn print_report(context: &Context, report: &ScanReport) -> Result<()> {
    let row = |file: &str, state: &str, problem: &str| vec![file.to_owned(), state.to_owned(), problem.to_owned()];
    let sound = [
        ("added", &report.added, ""),
        ("updated", &report.updated, ""),
        ("changed", &report.changed, plugins::CHANGED),
        ("unchanged", &report.unchanged, ""),
        ("removed", &report.removed, ""),
    ];
    let mut rows: Vec<Vec<String>> =
        sound.iter().flat_map(|(state, files, note)| files.iter().map(|file| row(file, state, note))).collect();
    rows.extend(report.gone.iter().map(|gone| row(&gone.file, "gone", &gone.problem)));
    rows.extend(report.broken.iter().map(|broken| row(&broken.file, "broken", &broken.problem)));
    context.printer.list(&["file", "state", "problem"], rows, report)?;
    note_broken(context, report.broken.len());
    Ok(())
}

fn note_broken(context: &Context, count: usize) {
    let what = match count {
        0 => return,
        1 => "1 file can't be used".to_owned(),
        several => format!("{several} files can't be used"),
    };
    context.printer.note(&format!("warning: {what}; `rustbill plugin check FILE` explains why"));
}

/// What a script asked of the host, on stderr.
fn steps(context: &Context, asked: &[Step]) {
    for Step { function, target, outcome, duration_ms } in asked {
        let space = if target.is_empty() { "" } else { " " };
        context.printer.note(&format!("trace: {function}{space}{target}: {outcome} ({duration_ms} ms)"));
    }
}

fn warn_of_broken(context: &Context, report: &ScanReport) {
    for broken in &report.broken {
        context.printer.note(&format!("warning: {} can't be used: {}", broken.file, broken.problem));
    }
}
