//! `rustbill instance`: the servers that customers have.

use clap::{Args, Subcommand};

use super::{
    Context, Format,
    arguments::{Paging, Sure, optional_id, optional_word},
    show::{self, Show as _, fields, page},
};
use crate::core::{
    control::{self, Action, Section},
    error::{Error, Result},
    id::Id,
    instances::{self, Instance, InstanceFilter, InstanceStatus, Power},
    settlement, supply,
};

/// Look at the servers that customers have, switch them, end them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill instance list --status running
  rustbill instance show 0190a5b0-7c1e-7000-8000-000000000001")]
pub(super) enum InstanceCommand {
    List(List),
    /// Show one server, with what its provider says of it
    #[command(after_help = "Examples:\n  rustbill instance show 0190a5b0-7c1e-7000-8000-000000000001")]
    Show(One),
    /// Switch a server on
    #[command(after_help = "Examples:\n  rustbill instance start 0190a5b0-7c1e-7000-8000-000000000001")]
    Start(One),
    /// Switch a server off
    #[command(after_help = "Examples:\n  rustbill instance stop 0190a5b0-7c1e-7000-8000-000000000001")]
    Stop(One),
    /// Switch a server off and on
    #[command(after_help = "Examples:\n  rustbill instance restart 0190a5b0-7c1e-7000-8000-000000000001")]
    Restart(One),
    /// End a server and its order, for good; a running `rustbill serve` gives it back to its provider
    #[command(
        after_help = "Examples:\n  rustbill instance terminate 0190a5b0-7c1e-7000-8000-000000000001\n  rustbill instance terminate 0190a5b0-7c1e-7000-8000-000000000001 --yes"
    )]
    Terminate {
        /// The server, by our identifier
        id: String,
        #[command(flatten)]
        sure: Sure,
    },
    /// List what the provider offers to do with a server
    #[command(after_help = "Examples:\n  rustbill instance actions 0190a5b0-7c1e-7000-8000-000000000001")]
    Actions(One),
    Action(Run),
    /// Give an imported server, which belongs to nobody, to the customer whose it is
    #[command(after_help = "\
No money moves, and nothing is ever billed for it.

Examples:
  rustbill instance assign 0190a5b0-7c1e-7000-8000-000000000001 \\
    --customer 0190a5b0-7c1e-7000-8000-000000000002")]
    Assign {
        /// The server, by our identifier
        id: String,
        /// The customer that gets it
        #[arg(long, value_name = "ID")]
        customer: String,
    },
}

/// One server.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The server, by our identifier
    id: String,
}

/// Run one of the actions of a server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill instance action 0190a5b0-7c1e-7000-8000-000000000001 rescue
  rustbill instance action 0190a5b0-7c1e-7000-8000-000000000001 reinstall \\
    --params '{\"os\": \"debian-13\"}'")]
pub(super) struct Run {
    /// The server, by our identifier
    id: String,
    /// The action, as `instance actions` lists it
    action: String,
    /// Its parameters, a JSON object
    #[arg(long, value_name = "JSON", default_value = "", hide_default_value = true)]
    params: String,
}

/// List servers, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill instance list --status running
  rustbill instance list --customer 0190a5b0-7c1e-7000-8000-000000000001 --output csv")]
pub(super) struct List {
    /// Of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// In this state: provisioning, running, stopped, suspended, terminated or error
    #[arg(long)]
    status: Option<String>,
    /// Run by this provider
    #[arg(long, value_name = "ID")]
    interface: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

impl InstanceCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show(one) => one.show(context).await,
            Self::Start(one) => one.switch(context, Power::Start).await,
            Self::Stop(one) => one.switch(context, Power::Stop).await,
            Self::Restart(one) => one.switch(context, Power::Restart).await,
            Self::Terminate { id, sure } => {
                sure.ask("Terminate the server and its order, for good?")?;
                let (app, id) = (context.app().await?, Id::parse("id", &id)?);
                settlement::terminate(app, &context.actor, id).await?;
                print(context, &instances::get(app, &context.actor, id).await?)?;
                context.printer.note("the order is ended; a running `rustbill serve` gives the server back");
                Ok(())
            }
            Self::Actions(One { id }) => {
                let id = Id::parse("id", &id)?;
                let actions = control::describe(context.app().await?, &context.actor, id).await?.actions;
                let found = show::whole(actions);
                page!(context, found; id, label, style, enabled, confirmation)
            }
            Self::Action(run) => run.run(context).await,
            Self::Assign { id, customer } => {
                let (id, customer) = (Id::parse("id", &id)?, Id::parse("customer", &customer)?);
                print(context, &supply::assign(context.app().await?, &context.actor, id, customer).await?)
            }
        }
    }
}

impl One {
    async fn switch(self, context: &Context, power: Power) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        print(context, &control::switch(context.app().await?, &context.actor, id, power).await?)
    }

    /// The sections are printed below for people, are a list in JSON, and one cell in CSV.
    async fn show(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let found = control::describe(context.app().await?, &context.actor, id).await?;
        let mut fields = lines(&found.instance);
        let sections: Vec<String> = found.sections.iter().map(section).collect();
        let action = |action: &Action| action.id.clone();
        fields.push((
            "actions",
            found.actions.iter().filter(|action| action.enabled).map(action).collect::<Vec<_>>().show(),
        ));
        if context.printer.format() != Format::Table {
            fields.push(("sections", sections.join("\n\n")));
            return show::item(context, fields, &found);
        }
        show::item(context, fields, &found)?;
        for text in sections {
            context.printer.line(&format!("\n{text}"))?;
        }
        Ok(())
    }
}

/// What of a section a terminal can show: not its HTML.
fn section(section: &Section) -> String {
    let fields = section.fields.iter().map(|field| format!("  {}: {}", field.key, field.value));
    let rest = [&section.iframe_url, &section.data_json].into_iter().filter(|text| !text.is_empty());
    let rest = rest.map(|text| format!("  {text}"));
    std::iter::once(format!("{}:", section.title)).chain(fields).chain(rest).collect::<Vec<_>>().join("\n")
}

fn print(context: &Context, instance: &Instance) -> Result<()> {
    show::item(context, lines(instance), instance)
}

fn lines(instance: &Instance) -> Vec<(&'static str, String)> {
    fields!(instance; id, status, ip_address, provider_instance_id, order_id, customer_id, product_id, product_name,
        provider_interface_id, server_spec, created_at, updated_at)
}

impl Run {
    async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let answer = control::act(context.app().await?, &context.actor, id, &self.action, &self.params).await?;
        if answer.success {
            return show::item(context, fields!(answer; success, message, data), &answer);
        }
        Err(Error::internal("provider.refused", format!("the provider refused `{}`: {}", self.action, answer.message)))
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = InstanceFilter {
            customer_id: optional_id("customer", self.customer.as_deref())?,
            status: optional_word(self.status.as_deref(), InstanceStatus::parse)?,
            provider_interface_id: optional_id("interface", self.interface.as_deref())?,
        };
        let found = instances::list(context.app().await?, &context.actor, filter, self.paging.request()).await?;
        page!(context, found; id, status, ip_address, provider_instance_id, product_name, customer_id, order_id, created_at)
    }
}
