//! The chain of a customer's movements: each begins where another one ended.

use std::collections::HashMap;

use super::model::{CheckReport, Code, Difference};
use crate::core::{id::Id, money::Money, time::Timestamp};

/// Loose ends that are held of one customer. A sound chain has one at a time, or a few where several servers wrote within
/// the same moment.
const LOOSE_ENDS_MAX: usize = 1_000;

/// A movement.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Link {
    pub(super) customer_id: Id,
    pub(super) created_at: Timestamp,
    pub(super) id: Id,
    pub(super) balance_before: Money,
    pub(super) balance_after: Money,
}

/// A walk over the movements of one customer after the other. The order of time is nearly that of the chain: who waited
/// for the customer's lock may carry an earlier time. So ends are matched with beginnings, in whatever order they come.
pub(super) struct Walk {
    customer: Option<Id>,
    /// Where movements ended, or the chain began, that none has gone on from; by how many.
    ends: HashMap<Money, i64>,
    /// Movements that began where none ended yet.
    waiting: HashMap<Money, Vec<Id>>,
    loose: usize,
}

impl Walk {
    pub(super) fn begin() -> Self {
        Self { customer: None, ends: HashMap::new(), waiting: HashMap::new(), loose: 0 }
    }

    pub(super) fn over(&mut self, link: &Link, report: &mut CheckReport) {
        if self.customer != Some(link.customer_id) {
            self.finish(report);
            self.customer = Some(link.customer_id);
            self.end(Money::ZERO);
        }
        if self.loose >= LOOSE_ENDS_MAX {
            return;
        }
        self.start(link.balance_before, link.id);
        self.end(link.balance_after);
    }

    /// Ends the walk over the present customer.
    pub(super) fn finish(&mut self, report: &mut CheckReport) {
        let Some(customer) = self.customer.take() else { return };
        let mut waiting: Vec<(Id, Money)> =
            self.waiting.drain().flat_map(|(amount, ids)| ids.into_iter().map(move |id| (id, amount))).collect();
        waiting.sort_unstable_by_key(|(id, _)| *id);
        let mut ends: Vec<Money> = self
            .ends
            .drain()
            .flat_map(|(amount, count)| std::iter::repeat_n(amount, usize::try_from(count).unwrap_or(0)))
            .collect();
        ends.sort_unstable();
        let expected = ends.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        for (id, begins) in waiting {
            let difference = Difference::new(Code::WalletChain, &expected, &begins);
            report.note(difference.of_customer(customer).of_row(id));
        }
        self.loose = 0;
    }

    fn start(&mut self, at: Money, id: Id) {
        if let Some(count) = self.ends.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.ends.remove(&at);
            }
            self.loose = self.loose.saturating_sub(1);
        } else {
            self.waiting.entry(at).or_default().push(id);
            self.loose += 1;
        }
    }

    fn end(&mut self, at: Money) {
        if let Some(ids) = self.waiting.get_mut(&at) {
            ids.pop();
            if ids.is_empty() {
                self.waiting.remove(&at);
            }
            self.loose = self.loose.saturating_sub(1);
        } else {
            *self.ends.entry(at).or_default() += 1;
            self.loose += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(customer: Id, amounts: &[i64]) -> Vec<Link> {
        let mut before = Money::ZERO;
        let link = |amount: &i64| {
            let balance_before = before;
            before = before.plus(Money::from_minor(*amount).unwrap()).unwrap();
            let created_at = crate::core::time::Clock::system().now();
            Link { customer_id: customer, created_at, id: Id::generate(), balance_before, balance_after: before }
        };
        amounts.iter().map(link).collect()
    }

    fn walked(links: &[Link]) -> CheckReport {
        let (mut walk, mut report) = (Walk::begin(), CheckReport::begin());
        for link in links {
            walk.over(link, &mut report);
        }
        walk.finish(&mut report);
        report
    }

    proptest! {
        #[test]
        fn a_chain_is_sound_in_whatever_order_it_is_read(amounts in prop::collection::vec(-900_i64..900, 1..40), seed in any::<usize>()) {
            let mut chain = links(Id::generate(), &amounts);
            let length = chain.len();
            chain.rotate_left(seed % length);
            prop_assert!(walked(&chain).clean);
        }

        #[test]
        fn a_movement_that_is_gone_is_noticed(amounts in prop::collection::vec(1_i64..900, 3..40), seed in any::<usize>()) {
            let mut chain = links(Id::generate(), &amounts);
            // The last one may be gone without a gap; the sums tell of that.
            chain.remove(seed % (chain.len() - 1));
            let report = walked(&chain);
            prop_assert_eq!(report.differences.len(), 1);
            prop_assert_eq!(report.differences[0].code, Code::WalletChain);
        }
    }

    #[test]
    fn the_movement_that_hangs_in_the_air_is_named() {
        let (first, second) = (Id::generate(), Id::generate());
        let mut chain = links(first, &[100, 50]);
        chain.extend(links(second, &[100]));
        chain[1].balance_before = Money::from_minor(90).unwrap();
        let report = walked(&chain);
        let found = &report.differences[0];
        assert_eq!((found.customer_id, found.row_id), (Some(first), Some(chain[1].id)));
        assert_eq!((found.expected.as_str(), found.found.as_str()), ("1.00 or 1.50", "0.90"));
        assert_eq!(report.differences_total, 1);
    }
}
