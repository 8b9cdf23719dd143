//! `rustbill user`: who may log in.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::{ArgGroup, Args, Subcommand};
use dialoguer::Password;

use super::{
    Context,
    arguments::{Paging, Sure, optional_id, optional_word},
    show::{self, fields, page},
};
use crate::core::{
    error::{Error, Result},
    id::Id,
    identity::{self, AdminRole, NewUser, User, UserFilter, UserKind, UserUpdate},
    secret::Secret,
    text,
};

/// The variable that may hold the password.
const PASSWORD_VARIABLE: &str = "RUSTBILL_PASSWORD";
/// Bytes of a password line on stdin; more is no password.
const PASSWORD_LINE_MAX: u64 = 64 * 1024;

/// Look at users, make them, change them, set their passwords
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rustbill user list
  rustbill user create --username admin2 --role admin --password-stdin < password.txt")]
pub(super) enum UserCommand {
    List(List),
    /// Show one user
    #[command(
        after_help = "Examples:\n  rustbill user show admin\n  rustbill user show 0190a5b0-7c1e-7000-8000-000000000001"
    )]
    Show(Who),
    Create(Create),
    Update(Update),
    /// Delete a user and log it out everywhere
    #[command(
        after_help = "Examples:\n  rustbill user delete admin2\n  rustbill user delete ann --type customer --yes"
    )]
    Delete {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        sure: Sure,
    },
    #[command(visible_alias = "reset-password")]
    Passwd(Passwd),
}

/// One user
#[derive(Debug, Args)]
pub(super) struct Who {
    /// The user: its name or identifier
    #[arg(value_name = "USER")]
    user: String,
    /// Which kind, where a name is both: admin or customer
    #[arg(long = "type", value_name = "KIND")]
    kind: Option<String>,
}

/// Change a user; what is not given stays
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["email", "display_name", "role", "active", "customer"]))]
#[command(after_help = "\
Examples:
  rustbill user update admin2 --role operator
  rustbill user update ann --active false
  rustbill user update ann --email ann@example.com --display-name 'Ann Lee'")]
pub(super) struct Update {
    #[command(flatten)]
    who: Who,
    /// The e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The name to show
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Of administrators: admin or operator
    #[arg(long)]
    role: Option<String>,
    /// Whether it may log in; who may not is logged out everywhere
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    /// Of customers' users: the customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
}

/// Set a user's password and log it out everywhere
#[derive(Debug, Args)]
#[command(after_help = "\
The password comes from --password-stdin, --new-password, the variable RUSTBILL_PASSWORD, or a question on the terminal.

Examples:
  rustbill user passwd admin
  rustbill user passwd admin --new-password \"xxx\"
  rustbill user reset-password ann --type customer --password-stdin < password.txt")]
pub(super) struct Passwd {
    #[command(flatten)]
    who: Who,
    /// The new password; others on this machine can see it while the command runs
    #[arg(long, value_name = "PASSWORD", value_parser = secret, allow_hyphen_values = true)]
    new_password: Option<Secret>,
    /// Read the password from the first line of stdin
    #[arg(long, conflicts_with = "new_password")]
    password_stdin: bool,
}

/// List users, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rustbill user list
  rustbill user list --role operator --active true
  rustbill user list --type customer --search ann --output json")]
pub(super) struct List {
    /// Which kind: admin or customer [default: admin; customer with --customer]
    #[arg(long = "type", value_name = "KIND")]
    kind: Option<String>,
    /// Administrators of this role: admin or operator
    #[arg(long)]
    role: Option<String>,
    /// Users of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Part of a name or an address
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Enabled or disabled ones
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    #[command(flatten)]
    paging: Paging,
}

/// Make an administrator (--role) or a customer's user (--customer)
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("kind").required(true).args(["role", "customer"]))]
#[command(after_help = "\
The password comes from --password-stdin, --password, the variable RUSTBILL_PASSWORD, or a question on the terminal.

Examples:
  rustbill user create --username admin2 --role admin
  rustbill user create --username admin2 --password pass123 --role admin
  rustbill user create --username ann --email ann@example.com \\
    --customer 0190a5b0-7c1e-7000-8000-000000000001 \\
    --password-stdin < password.txt")]
pub(super) struct Create {
    /// The name to log in with
    #[arg(long, value_name = "NAME")]
    username: String,
    /// The e-mail address; a customer's user needs one
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    email: String,
    /// The name to show [default: the user name]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    display_name: String,
    /// An administrator with this role: admin or operator
    #[arg(long)]
    role: Option<String>,
    /// A user of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// The password; others on this machine can see it while the command runs
    #[arg(long, value_parser = secret, allow_hyphen_values = true)]
    password: Option<Secret>,
    /// Read the password from the first line of stdin
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
}

impl UserCommand {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show(who) => print(context, &who.find(context).await?),
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Delete { who, sure } => {
                sure.ask(&format!("Delete the user `{}`?", who.user))?;
                let user = who.find(context).await?;
                identity::delete_user(context.app().await?, &context.actor, Some(user.kind()), user.id).await?;
                print(context, &user)
            }
            Self::Passwd(passwd) => passwd.run(context).await,
        }
    }
}

impl Who {
    async fn find(&self, context: &Context) -> Result<User> {
        let kind = optional_word(self.kind.as_deref(), UserKind::parse)?;
        let (app, actor) = (context.app().await?, &context.actor);
        match Id::parse("user", &self.user) {
            Ok(id) => identity::get_user(app, actor, kind, id).await,
            Err(_) => identity::get_user_by_name(app, actor, kind, &self.user).await,
        }
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let change = UserUpdate {
            role: optional_word(self.role.as_deref(), AdminRole::parse)?,
            customer_id: optional_id("customer", self.customer.as_deref())?,
            email: self.email,
            display_name: self.display_name,
            is_active: self.active,
        };
        let user = self.who.find(context).await?;
        let app = context.app().await?;
        print(context, &identity::update_user(app, &context.actor, Some(user.kind()), user.id, &change).await?)
    }
}

impl Passwd {
    async fn run(self, context: &Context) -> Result<()> {
        // First the user: nobody should type a password for a name that does not exist.
        let user = self.who.find(context).await?;
        let new = password(context, "--new-password", self.new_password, self.password_stdin)?;
        let (app, kind) = (context.app().await?, Some(user.kind()));
        print(context, &identity::reset_password_of(app, &context.actor, kind, user.id, new.reveal()).await?)
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let kind = optional_word(self.kind.as_deref(), UserKind::parse)?;
        let filter = UserFilter {
            role: optional_word(self.role.as_deref(), AdminRole::parse)?,
            is_active: self.active,
            search: text::search_filter(self.search.as_deref())?,
            customer_id: optional_id("customer", self.customer.as_deref())?,
        };
        let usual = if filter.customer_id.is_some() { UserKind::Customer } else { UserKind::Admin };
        let app = context.app().await?;
        let users =
            identity::list_users(app, &context.actor, kind.unwrap_or(usual), &filter, self.paging.request()).await?;
        page!(context, users; id, username, email, display_name, role, customer_id, is_active, created_at)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let role = optional_word(self.role.as_deref(), AdminRole::parse)?;
        let customer_id = optional_id("customer", self.customer.as_deref())?;
        let app = context.app().await?;
        let new = NewUser {
            password: password(context, "--password", self.password, self.password_stdin)?,
            username: self.username,
            email: self.email,
            display_name: self.display_name,
            kind: if customer_id.is_some() { UserKind::Customer } else { UserKind::Admin },
            role,
            customer_id,
        };
        print(context, &identity::create_user(app, &context.actor, new).await?)
    }
}

/// A secret argument: what clap holds and could print is hidden.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap wants")]
fn secret(text: &str) -> Result<Secret> {
    Ok(Secret::new(text))
}

fn password(context: &Context, option: &str, given: Option<Secret>, from_stdin: bool) -> Result<Secret> {
    if from_stdin {
        return first_line(io::stdin().lock());
    }
    if let Some(given) = given {
        context.printer.note(&format!(
            "warning: {option} is visible to others in the list of processes; --password-stdin and \
             {PASSWORD_VARIABLE} are not"
        ));
        return Ok(given);
    }
    if let Some(set) = context.lookup.env.get(PASSWORD_VARIABLE).filter(|text| !text.is_empty()) {
        return Ok(Secret::new(set));
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        let asked = Password::new().with_prompt("Password").with_confirmation("Once more", "They differ").interact();
        return asked
            .map(Secret::new)
            .map_err(|cause| Error::invalid("user.password", "no password was entered").caused_by(cause));
    }
    Err(Error::invalid("user.password", "there is no password, and no terminal to ask on")
        .hint(format!("pass it with --password-stdin, or in the variable {PASSWORD_VARIABLE}")))
}

/// The line without its end; blanks belong to the password.
fn first_line(input: impl io::BufRead) -> Result<Secret> {
    let mut line = String::new();
    input.take(PASSWORD_LINE_MAX).read_line(&mut line).map_err(|cause| {
        Error::invalid("user.password", "`--password-stdin`: stdin can't be read as text").caused_by(cause)
    })?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}

fn print(context: &Context, user: &User) -> Result<()> {
    let fields = fields!(user; id, username, email, display_name, role, customer_id, is_active, created_at);
    show::item(context, fields, user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_and_keeps_its_blanks() {
        for (input, expected) in [(" a b \r\nnext", " a b "), ("alone", "alone"), ("", ""), ("\n", "")] {
            assert_eq!(first_line(input.as_bytes()).unwrap().reveal(), expected, "{input:?}");
        }
        assert!(first_line(&[0xff, b'\n'][..]).is_err());
    }
}
