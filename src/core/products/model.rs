//! Products and their prices.

use std::collections::BTreeMap;

use sqlx::types::Json;

use crate::core::{
    error::{Error, Result},
    id::Id,
    money::Money,
    time::Timestamp,
};

crate::text_enum! {
    /// How often is paid.
    BillingCycle, "billing_cycle" {
        /// Every month.
        Monthly = "monthly",
        /// Every three months.
        Quarterly = "quarterly",
        /// Every twelve months.
        Yearly = "yearly",
    }
}

impl BillingCycle {
    /// How many months it is.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::Monthly => 1,
            Self::Quarterly => 3,
            Self::Yearly => 12,
        }
    }
}

/// Properties of a server by name, as the provider's spec template calls them.
pub type Specs = BTreeMap<String, String>;

/// Something that is sold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Product {
    /// The identifier.
    pub id: Id,
    /// The name.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// The price of a month.
    pub price: Money,
    /// What a month costs the shop; customers do not see it.
    pub cost_price: Money,
    /// The price of each cycle that is offered, by its word; empty: every cycle, at months times `price`.
    pub billing_cycles: Json<BTreeMap<String, Money>>,
    /// What the server has.
    pub specs: Json<Specs>,
    /// The provider's interface.
    pub interface_id: Id,
    /// The group that it is shown in.
    pub group_id: Option<Id>,
    /// Whether it can be ordered.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Product {
    /// What one cycle costs.
    ///
    /// # Errors
    /// `product.cycle` for a cycle that is not offered, naming those that are.
    pub fn price_of(&self, cycle: BillingCycle) -> Result<Money> {
        if self.billing_cycles.is_empty() {
            return self.price.times(cycle.months());
        }
        self.billing_cycles.get(cycle.as_str()).copied().ok_or_else(|| {
            let offered: Vec<&str> = self.billing_cycles.keys().map(String::as_str).collect();
            Error::invalid(
                "product.cycle",
                format!("`billing_cycle` is `{cycle}`, the product `{}` offers: {}", self.name, offered.join(", ")),
            )
        })
    }
}
