//! Keeping a claim for as long as its event is worked on.

use super::{Claim, RENEWAL, renew};
use crate::core::{
    cluster::LOST,
    database::Database,
    error::{Error, Result},
    time::Clock,
};

/// Renews a claim again and again; ends, with `event.claim_lost` or `cluster.role_lost`, only when it is lost. Then another worker finishes and
/// its holder must not.
pub async fn keep(database: &Database, clock: &Clock, claim: &Claim) -> Error {
    loop {
        tokio::time::sleep(RENEWAL).await;
        if let Err(error) = renew_once(database, clock, claim).await {
            if error.code() == "event.claim_lost" || error.code() == LOST {
                return error;
            }
            tracing::warn!(event = %claim.id, %error, "a claim could not be renewed");
        }
    }
}

async fn renew_once(database: &Database, clock: &Clock, claim: &Claim) -> Result<()> {
    let mut tx = database.begin().await?;
    renew(&mut tx, clock.now(), claim).await?;
    tx.commit().await
}
