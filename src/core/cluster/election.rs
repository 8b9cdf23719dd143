//! Who may take a role, as a rule without a database.

use chrono::TimeDelta;

use super::{
    LIVE_FOR,
    model::{RoleRow, ServerRow},
};
use crate::core::{id::Id, time::Timestamp};

impl RoleRow {
    pub(super) fn ttl(&self) -> TimeDelta {
        TimeDelta::seconds(self.ttl_secs.max(1))
    }

    /// Whether somebody has it whose lease still runs.
    pub(super) fn is_held(&self) -> bool {
        self.holder.is_some() && self.free_since().is_none_or(|since| self.now <= since)
    }

    /// The moment at which it becomes or became free; nothing when nobody ever had it.
    fn free_since(&self) -> Option<Timestamp> {
        let renewed = self.heartbeat_at?;
        // Of a role that was given back this is the moment when that happened.
        Some(if self.holder.is_some() { renewed.plus(self.ttl()) } else { renewed })
    }
}

/// Whether a server that told a moment ago that it is there counts as being there.
pub(super) fn is_live(heartbeat_at: Timestamp, now: Timestamp) -> bool {
    now.since(heartbeat_at) < LIVE_FOR
}

/// The server that should take a free role: of those that are there the one with the most idle connections, and of
/// several such the one with the smallest identifier.
pub(super) fn preferred(servers: &[ServerRow]) -> Option<Id> {
    let live = servers.iter().filter(|server| is_live(server.heartbeat_at, server.now));
    live.min_by_key(|server| (-server.pool_idle, server.instance_id)).map(|server| server.instance_id)
}

/// Whether `me` may take a role. Only who is there may; the one that is [`preferred`] may at once. When it does not come
/// for as long as a lease lasts, anybody may: a role is never left without a holder because of a preference. Neither
/// has a role that nobody ever had to wait for anybody.
pub(super) fn may_take(role: &RoleRow, servers: &[ServerRow], me: Id) -> bool {
    let is_here = servers.iter().any(|server| server.instance_id == me && is_live(server.heartbeat_at, server.now));
    if !is_here || role.is_held() {
        return false;
    }
    let Some(free_since) = role.free_since() else { return true };
    preferred(servers) == Some(me) || role.now > free_since.plus(role.ttl())
}

#[cfg(test)]
mod tests {
    use sqlx::types::Json;

    use super::*;
    use crate::core::cluster::Role;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(chrono::DateTime::UNIX_EPOCH).plus(TimeDelta::seconds(seconds))
    }

    fn role(holder: Option<Id>, heartbeat: Option<i64>, now: i64) -> RoleRow {
        let heartbeat_at = heartbeat.map(at);
        RoleRow {
            role: Role::Billing,
            holder,
            epoch: 1,
            heartbeat_at,
            acquired_at: heartbeat_at,
            ttl_secs: 30,
            now: at(now),
        }
    }

    fn server(id: Id, idle: i64, heartbeat: i64, now: i64) -> ServerRow {
        ServerRow {
            instance_id: id,
            heartbeat_at: at(heartbeat),
            pool_idle: idle,
            pool_active: 0,
            pool_max: 20,
            host: String::new(),
            version: String::new(),
            address: String::new(),
            started_at: at(0),
            breakers: Json(Vec::new()),
            now: at(now),
        }
    }

    #[test]
    fn the_one_with_the_most_idle_connections_comes_first_and_others_after_another_lease() {
        let (first, second, holder) = (Id::generate(), Id::generate(), Id::generate());
        let cases = [
            // The lease still runs.
            (Some(holder), Some(100), 130, [false, false]),
            // It ran out: the preferred one, and after another lease anybody.
            (Some(holder), Some(100), 131, [false, true]),
            (Some(holder), Some(100), 161, [true, true]),
            // It was given back.
            (None, Some(100), 101, [false, true]),
            (None, Some(100), 131, [true, true]),
            // Nobody ever had it.
            (None, None, 101, [true, true]),
        ];
        for (holder, heartbeat, now, expected) in cases {
            let servers = [server(first, 3, now, now), server(second, 4, now - 29, now)];
            let role = role(holder, heartbeat, now);
            let found = [first, second].map(|me| may_take(&role, &servers, me));
            assert_eq!(found, expected, "{role:?}");
        }
    }

    #[test]
    fn of_equals_the_oldest_comes_first_and_who_is_gone_counts_for_nothing() {
        let (first, second, gone) = (Id::generate(), Id::generate(), Id::generate());
        let servers = [server(second, 4, 100, 100), server(gone, 9, 70, 100), server(first, 4, 100, 100)];
        assert_eq!(preferred(&servers), Some(first));
        assert!(!may_take(&role(None, None, 100), &servers, gone), "it is not there");
        assert!(!may_take(&role(None, None, 100), &servers, Id::generate()), "nobody knows it");
        assert_eq!(preferred(&[]), None);
    }
}
