//! `rustbill apikey`: the keys of customers' programs.

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Context,
    show::{self, fields, page, whole},
};
use crate::core::{
    error::Result,
    id::Id,
    identity::{self, ApiKey, CreatedApiKey, NewApiKey},
};

/// Look at customers' API keys, make them, end them
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill apikey create --customer 0190a5b0-7c1e-7000-8000-000000000001 --name 'Their shop'
  rustbill apikey list --customer 0190a5b0-7c1e-7000-8000-000000000001")]
pub(super) enum ApiKeyCommand {
    /// List the keys of a customer, newest first
    #[command(after_help = "Examples:\n  rustbill apikey list --customer 0190a5b0-7c1e-7000-8000-000000000001")]
    List {
        /// The customer
        #[arg(long, value_name = "ID")]
        customer: String,
    },
    Create(Create),
    /// End a key for good; its record stays
    #[command(after_help = "Examples:\n  rustbill apikey revoke 0190a5b0-7c1e-7000-8000-000000000001")]
    Revoke {
        /// The key's identifier
        id: String,
    },
}

/// Make a key; it is shown once and never again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill apikey create --customer 0190a5b0-7c1e-7000-8000-000000000001 --name 'Their shop'
  rustbill apikey create --customer 0190a5b0-7c1e-7000-8000-000000000001 --name Trial --days 30 \\
    --output json")]
pub(super) struct Create {
    /// The customer that it acts as
    #[arg(long, value_name = "ID")]
    customer: String,
    /// What to recognise it by
    #[arg(long)]
    name: String,
    /// Days that it is good for [default: without end]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: Option<u16>,
}

/// A key with its secret part.
#[derive(Serialize)]
struct Shown<'a> {
    api_key: &'a str,
    #[serde(flatten)]
    key: &'a ApiKey,
}

impl ApiKeyCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List { customer } => {
                let customer = Id::parse("customer", &customer)?;
                let keys = identity::list_api_keys(context.app().await?, &context.actor, Some(customer)).await?;
                page!(context, whole(keys); id, name, key_prefix, enabled, created_at, last_used_at, expires_at)
            }
            Self::Create(create) => create.run(context).await,
            Self::Revoke { id } => {
                let id = Id::parse("id", &id)?;
                let key = identity::revoke_api_key(context.app().await?, &context.actor, id).await?;
                show::item(context, columns(&key), &key)
            }
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let new = NewApiKey {
            customer_id: Some(Id::parse("customer", &self.customer)?),
            name: self.name,
            lifetime: self.days.map(|days| TimeDelta::days(i64::from(days))),
        };
        let CreatedApiKey { key, secret } =
            identity::create_api_key(context.app().await?, &context.actor, &new).await?;
        let mut fields = columns(&key);
        fields.insert(0, ("api_key", secret.reveal().to_owned()));
        show::item(context, fields, &Shown { api_key: secret.reveal(), key: &key })?;
        context.printer.note("keep the key now: it can't be shown again");
        Ok(())
    }
}

fn columns(key: &ApiKey) -> Vec<(&'static str, String)> {
    fields!(key; id, customer_id, name, key_prefix, enabled, created_at, last_used_at, expires_at)
}
