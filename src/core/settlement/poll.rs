//! Asking gateways, without being told to, about payments that are pending: a notice may have been lost.
//!
//! A payment is asked for soon and often at first, then ever more rarely, and after some days not any more. The next time
//! is written before the gateway is asked, in the transaction that picks the payment: several servers never ask about one
//! payment at the same moment, and a server that dies meanwhile only leaves the question to the next time.

use chrono::TimeDelta;
use futures::{StreamExt as _, stream};

use super::query;
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    cluster,
    error::{Kind, Result},
    id::Id,
    payments::{self, PaymentStatus, query_store},
    plugins,
    time::Timestamp,
};

/// Seconds until the first question, and then between the questions about one payment; the last is repeated.
const WAITS: [i64; 8] = [30, 60, 120, 300, 600, 1_200, 1_800, 3_600];
/// How old a payment may get and still be asked for.
const AGE_MAX: TimeDelta = TimeDelta::days(3);
/// Gateways of one turn.
const GATEWAYS_MAX: i64 = 100;
/// Gateways that are asked at the same time, so that one that is slow or fails does not hold up the others.
const CONCURRENCY: usize = 4;
/// Payments of one gateway in one turn.
const PAYMENTS_MAX: u32 = 20;
/// How long one gateway may keep a turn before its other payments wait for the next one.
const PATIENCE: TimeDelta = TimeDelta::seconds(20);

/// When a payment that begins now is asked for.
pub(super) fn first(at: Timestamp) -> Timestamp {
    at.plus(wait(0))
}

fn wait(queries: i64) -> TimeDelta {
    let place = usize::try_from(queries).unwrap_or(0).min(WAITS.len() - 1);
    TimeDelta::seconds(WAITS[place])
}

/// When the payment is due after it was asked for once more; `None`: never.
fn next(at: Timestamp, due: &query_store::Due) -> Option<Timestamp> {
    let next = at.plus(wait(due.queries + 1));
    (next.since(due.created_at) <= AGE_MAX).then_some(next)
}

/// Asks the gateways about pending payments that are due, and books what they say. Several servers may do it at once.
/// A gateway that fails is left alone until the next turn, and the others are asked. For administrators, and for the
/// worker.
///
/// Returns the number of payments that were asked for.
///
/// # Errors
/// When the database can't be used.
pub async fn ask_due(app: &App, actor: &Actor) -> Result<u32> {
    actor.require(Permission::Admin)?;
    let gateways = query_store::due_gateways(&app.database, app.clock.now(), GATEWAYS_MAX).await?;
    let turns = stream::iter(gateways).map(|gateway| ask_gateway(app, actor, gateway));
    let asked: Vec<Result<u32>> = turns.buffer_unordered(CONCURRENCY).collect().await;
    asked.into_iter().sum()
}

async fn ask_gateway(app: &App, actor: &Actor, gateway: Id) -> Result<u32> {
    let interface = plugins::find(&app.database, gateway).await?;
    let begun = app.clock.now();
    let mut asked = 0;
    for _ in 0..PAYMENTS_MAX {
        let Some(id) = app.database.retry(|| claim(app, actor, gateway)).await? else { break };
        // What is disabled runs no more; its payments are looked at again when it was enabled.
        if !interface.enabled {
            continue;
        }
        let Some(payment) = payments::store::find(&app.database, id).await? else { continue };
        if payment.status != PaymentStatus::Pending {
            continue;
        }
        asked += 1;
        match query::ask(app, actor, &interface, &payment).await {
            Ok((_, true)) => {}
            Ok((_, false)) => app.database.retry(|| stop(app, id)).await?,
            // The operation log has it; asking again would only write it there again.
            Err(error) if error.kind() == Kind::InvalidArgument => app.database.retry(|| stop(app, id)).await?,
            Err(error) => {
                tracing::warn!(payment = %id, gateway = interface.display_name, %error, "a gateway could not say how a payment stands");
                break;
            }
        }
        if app.clock.now().since(begun) > PATIENCE {
            break;
        }
    }
    Ok(asked)
}

/// Picks a payment that is due and moves its next time on.
async fn claim(app: &App, actor: &Actor, gateway: Id) -> Result<Option<Id>> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let Some(due) = query_store::lock_due(&mut tx, at, gateway).await? else { return Ok(None) };
    query_store::count_query(&mut tx, due.id, next(at, &due)).await?;
    cluster::prove(&mut tx, actor.fence()).await?;
    tx.commit().await?;
    Ok(Some(due.id))
}

async fn stop(app: &App, payment: Id) -> Result<()> {
    let mut tx = app.database.begin().await?;
    query_store::stop(&mut tx, payment).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_asked_for_ever_more_rarely_and_not_for_ever() {
        let begun = Timestamp::new("2026-01-01T00:00:00Z".parse().unwrap());
        let mut due = query_store::Due { id: Id::generate(), queries: 0, created_at: begun };
        let (mut at, mut ages) = (first(begun), Vec::new());
        loop {
            ages.push(at.since(begun).num_seconds());
            let Some(next) = next(at, &due) else { break };
            assert!(next.since(at) >= TimeDelta::seconds(60), "shorter than the longest call of a script");
            (at, due.queries) = (next, due.queries + 1);
        }
        assert_eq!(ages[..8], [30, 90, 210, 510, 1_110, 2_310, 4_110, 7_710]);
        assert_eq!(ages[8], 7_710 + 3_600);
        assert!(ages.len() < 90 && *ages.last().unwrap() > 255_000, "{ages:?}");
    }
}
