//! Prices that follow the cost.

use rust_decimal::Decimal;
use sqlx::types::Json;

use super::model::{BillingCycle, Product};
use crate::core::{
    error::{Error, Result},
    money::Money,
    text,
};

/// Decimals of a ratio.
const RATIO_DECIMALS: usize = 4;
/// The largest ratio; beyond it somebody forgot the decimal point.
const RATIO_MAX: Decimal = Decimal::ONE_THOUSAND;

/// How many times the cost the price is; 1.3 adds 30 per cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Markup(Decimal);

impl Markup {
    /// Reads a ratio such as `1.3`: more than 0, at most 1000, at most four decimals.
    ///
    /// # Errors
    /// `product.markup_ratio`, naming the field and the text.
    pub fn parse(field: &str, typed: &str) -> Result<Self> {
        let malformed = || {
            let shown = text::shown(typed, text::SHOWN_MAX);
            let expected = "expected a number such as `1.3`, more than 0 and at most 1000, with at most 4 decimals";
            Error::invalid("product.markup_ratio", format!("`{field}` is `{shown}`, {expected}"))
        };
        let (whole, fraction) = typed.split_once('.').unwrap_or((typed, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > RATIO_DECIMALS {
            return Err(malformed());
        }
        let ratio: Decimal = typed.parse().map_err(|_| malformed())?;
        if ratio.is_zero() || ratio > RATIO_MAX {
            return Err(malformed());
        }
        Ok(Self(ratio))
    }
}

impl Product {
    /// The product with the price of a month set to its cost times the ratio, rounded once, half away from zero.
    ///
    /// Prices by cycle that were exactly months times the old price follow the new one. Prices that the shop set by
    /// hand, such as a year for the price of ten months, stay as they are, all of them: what discount was meant is
    /// not ours to guess.
    ///
    /// # Errors
    /// `product.cost_price` for a product without a cost, which would become free; `money.out_of_range`.
    pub(super) fn repriced(&self, ratio: Markup) -> Result<Self> {
        if self.cost_price.is_zero() {
            return Err(Error::invalid(
                "product.cost_price",
                format!("the product `{}` ({}) has no `cost_price`, a price can't follow it", self.name, self.id),
            )
            .hint("set its cost price first"));
        }
        let price = Money::round_half_away_from_zero(self.cost_price.decimal() * ratio.0)?;
        let follows = |(cycle, amount): (&String, &Money)| {
            BillingCycle::parse(cycle)
                .and_then(|cycle| self.price.times(cycle.months()))
                .is_ok_and(|expected| expected == *amount)
        };
        let mut cycles = self.billing_cycles.0.clone();
        if cycles.iter().all(follows) {
            for (cycle, amount) in &mut cycles {
                *amount = price.times(BillingCycle::parse(cycle)?.months())?;
            }
        }
        Ok(Self { price, billing_cycles: Json(cycles), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::{id::Id, money::Sign, time::Clock};

    fn money(text: &str) -> Money {
        Money::parse("amount", text, Sign::Any).unwrap()
    }

    fn product(price: &str, cost: &str, cycles: &[(&str, &str)]) -> Product {
        let at = Clock::system().now();
        Product {
            id: Id::generate(),
            name: "VPS".to_owned(),
            description: String::new(),
            price: money(price),
            cost_price: money(cost),
            billing_cycles: Json(cycles.iter().map(|(cycle, price)| ((*cycle).to_owned(), money(price))).collect()),
            specs: Json(BTreeMap::new()),
            interface_id: Id::generate(),
            group_id: None,
            is_active: true,
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn a_ratio_has_bounds() {
        for good in ["1", "1.3", "0.0001", "1000", "1000.0000", "007.5"] {
            assert!(Markup::parse("markup_ratio", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "0",
            "0.0000",
            "-1",
            "+1",
            "1.",
            ".5",
            "1.00001",
            "1000.0001",
            "1e3",
            "x",
            " 1",
            "99999999999999999999999999999999999",
        ] {
            let error = Markup::parse("markup_ratio", bad).unwrap_err();
            assert_eq!(error.code(), "product.markup_ratio", "{bad}");
            assert!(error.to_string().contains("markup_ratio"), "{error}");
        }
    }

    #[test]
    fn the_price_is_rounded_once_and_away_from_zero() {
        for (cost, ratio, price) in [
            ("10.00", "1.3", "13.00"),
            ("0.35", "1.3", "0.46"),
            ("0.05", "0.1", "0.01"),
            ("0.04", "0.1", "0.00"),
            ("9.99", "1.2345", "12.33"),
        ] {
            let ratio = Markup::parse("markup_ratio", ratio).unwrap();
            assert_eq!(product("1.00", cost, &[]).repriced(ratio).unwrap().price, money(price), "{cost}");
        }
        let ratio = Markup::parse("markup_ratio", "1000").unwrap();
        assert_eq!(product("1.00", "9999999999.99", &[]).repriced(ratio).unwrap_err().code(), "money.out_of_range");
        assert_eq!(product("1.00", "0.00", &[]).repriced(ratio).unwrap_err().code(), "product.cost_price");
    }

    #[test]
    fn cycles_follow_only_where_they_were_multiples() {
        let ratio = Markup::parse("markup_ratio", "2").unwrap();
        let cycles = |product: &Product| {
            product.billing_cycles.iter().map(|(cycle, price)| format!("{cycle}={price}")).collect::<Vec<_>>()
        };
        let multiples = product("29.00", "20.00", &[("monthly", "29.00"), ("yearly", "348.00")]);
        assert_eq!(cycles(&multiples.repriced(ratio).unwrap()), ["monthly=40.00", "yearly=480.00"]);
        let discounted = product("29.00", "20.00", &[("monthly", "29.00"), ("yearly", "290.00")]);
        assert_eq!(cycles(&discounted.repriced(ratio).unwrap()), cycles(&discounted));
    }
}
