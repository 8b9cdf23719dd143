//! `rustbill dashboard`: the shop's figures.

use clap::Args;

use super::{
    Context, Format,
    show::{self, Show as _, fields},
};
use crate::core::{
    dashboard::{self, DayRevenue},
    error::Result,
};

/// Show how the shop is doing: what there is, what came in, what is owed
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rustbill dashboard\n  rustbill dashboard --days 7 --output json")]
pub(super) struct Dashboard {
    /// How many days of revenue, ending today; at most 366
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u32,
}

impl Dashboard {
    /// The days are a table of their own for people, a list in JSON, and one cell in CSV.
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let found = dashboard::overview(context.app().await?, &context.actor, self.days).await?;
        let mut fields = fields!(found; revenue_this_month, revenue_last_month, receivable, currency);
        let is_table = context.printer.format() == Format::Table;
        if is_table {
            fields.extend(found.counts.iter().map(|(name, count)| (name.as_str(), count.to_string())));
            show::item(context, fields, &found)?;
            context.printer.line("\n")?;
            let row = |day: &DayRevenue| vec![day.date.show(), day.amount.show(), day.orders.show()];
            let rows = found.revenue.iter().map(row).collect();
            return context.printer.list(&["date", "amount", "orders"], rows, &found.revenue);
        }
        let counts = found.counts.iter().map(|(name, count)| format!("{name}={count}"));
        fields.push(("counts", counts.collect::<Vec<_>>().join("\n")));
        let day = |day: &DayRevenue| format!("{};{};{}", day.date, day.amount, day.orders);
        fields.push(("revenue", found.revenue.iter().map(day).collect::<Vec<_>>().join("\n")));
        show::item(context, fields, &found)
    }
}
