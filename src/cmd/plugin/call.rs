//! Calls functions of an interface's script by hand.

use clap::Args;

use super::{
    super::{Context, arguments::Sure},
    script::text_or_item,
    steps,
};
use crate::core::{
    error::{Error, Result},
    id::Id,
    plugins,
};

/// Call a function of an interface's script
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what the function returned: a text as it is, all else as JSON. The arguments stand beside the settings of the \
interface and win over them. A function that may take money, make a server or send a message asks first, and needs \
--yes where there is no terminal; `admin_…` and those that only tell something do not. The operation log keeps the \
name of the function.

Examples:
  rustbill plugin call 0190a5b0-7c1e-7000-8000-000000000001 query_price --args '{\"cpu_cores\": \"2\"}'
  rustbill plugin call 0190a5b0-7c1e-7000-8000-000000000001 admin_list_instances --trace
  rustbill plugin call 0190a5b0-7c1e-7000-8000-000000000001 terminate_instance --yes \\
    --args '{\"instance_id\": \"i-42\", \"order_id\": \"\"}'")]
pub(in crate::cmd) struct Call {
    /// The interface
    id: String,
    /// The function
    function: String,
    /// Its arguments, a JSON object
    #[arg(long = "args", visible_alias = "arguments", value_name = "JSON", default_value = "{}")]
    arguments: String,
    /// Show on stderr what the script asked of the host
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    sure: Sure,
}

impl Call {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let id = Id::parse("id", &self.id)?;
        let app = context.app().await?;
        plugins::require_function(app, &context.actor, id, &self.function).await?;
        if !plugins::is_harmless(&self.function) {
            let function = &self.function;
            self.sure.ask(&format!("Call `{function}`? It may take money, make a server or send a message."))?;
        }
        let (result, asked) = plugins::call_function(app, &context.actor, id, &self.function, &self.arguments).await?;
        if self.trace {
            steps(context, &asked);
        }
        // What the script itself says no to is no fault of this program.
        let result = result.map_err(|error| match error.code() {
            plugins::REFUSED => Error::invalid(plugins::REFUSED, error.to_string()),
            _ => error,
        })?;
        let shown = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
        text_or_item(context, &shown, vec![("result", shown.clone())], &result)
    }
}
