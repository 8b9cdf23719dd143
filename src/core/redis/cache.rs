//! What is remembered for less than a second, and how it is revoked.
//!
//! **The rule.** A value counts for at most its lifetime after a moment at which the database had not been asked yet.
//! That moment is read from Redis's own clock in the same step that finds nothing, and the value is stored to expire that
//! much later by the same clock. So however late a store arrives (Redis hung, the network held it back), what it stores
//! is never older than the lifetime. The reader checks the time in the value by its own clock as well, and the signature
//! over key, time and value: who can write to Redis can neither make up a value nor bring an old one back.
//!
//! **Revoking** sets a marker for a subject (a user, a customer, a key, one token). A reader that meets a value with a
//! marked subject takes it for absent. The marker outlives every value that was read from the database before it. Where
//! Redis can't be reached for setting a marker, the lifetime alone is the bound; that is why it is short.

use std::{sync::LazyLock, time::Duration};

use ::redis::{Script, cmd};
use chrono::TimeDelta;
use hmac::Mac as _;

use super::{COMMAND, Redis, hasher, link::Question};
use crate::core::time::Timestamp;

/// What a revocation takes at most, everywhere, whatever fails.
pub const REVOKED_WITHIN: Duration = Duration::from_secs(1);
/// How long a value counts. Reading it may take a command's time more, which together is [`REVOKED_WITHIN`].
const LIFETIME: Duration = REVOKED_WITHIN.saturating_sub(COMMAND);
/// How long a subject stays marked. Anything longer than [`LIFETIME`] is right; meanwhile the database is asked.
const MARKED: Duration = Duration::from_secs(5);
/// Kinds of keys.
const VALUE: &str = "cache";
const MARK: &str = "gone";

/// The value, unless it or one of its subjects is marked, and the moment.
static RECALL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = redis.call('TIME')
         local value = redis.call('GET', KEYS[1])
         if value then
             local subjects = string.match(value, '^([^|]*)|') or ''
             if redis.call('EXISTS', KEYS[2]) == 1 then value = false end
             for subject in string.gmatch(subjects, '[^,]+') do
                 if redis.call('EXISTS', ARGV[1] .. subject) == 1 then value = false end
             end
         end
         return {now[1], now[2], value}",
    )
});

/// A moment by Redis's clock, before the database is asked.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since 1970.
    redis: u64,
    /// The same by this server's clock.
    own: Timestamp,
}

/// What Redis knows.
#[derive(Debug)]
pub struct Recalled {
    /// When it was asked; to be given to [`Redis::remember`].
    pub moment: Moment,
    /// The value, when there is one that counts.
    pub value: Option<String>,
}

impl Redis {
    /// Looks something up by a secret name, such as a token; `None` when Redis is away.
    pub async fn recall(&self, secret_name: &str, now: Timestamp) -> Option<Recalled> {
        if self.link.is_away() {
            return None;
        }
        let name = self.hidden(VALUE, secret_name);
        let mut call = RECALL.prepare_invoke();
        call.key(self.named(VALUE, &name)).key(self.named(MARK, &name)).arg(self.named(MARK, ""));
        let (seconds, micros, stored): (u64, u64, Option<String>) = self.link.ask(&Question::Script(call)).await?;
        let redis = seconds.saturating_mul(1000).saturating_add(micros / 1000);
        let value = stored.and_then(|stored| self.verified(&name, &stored, now));
        Some(Recalled { moment: Moment { redis, own: now }, value })
    }

    /// Stores what the database said after `moment`, without waiting and whatever comes of it. `subjects` are whom a
    /// later [`Redis::forget`] may name; they hold neither `,` nor `|`.
    pub fn remember(&self, secret_name: &str, moment: Moment, subjects: &[String], value: &str) {
        // A store that had to wait would help nobody.
        if self.link.is_busy() {
            return;
        }
        let name = self.hidden(VALUE, secret_name);
        let stored = self.signed(&name, moment.own, &subjects.join(","), value);
        let lifetime = u64::try_from(LIFETIME.as_millis()).unwrap_or(0);
        let mut command = cmd("SET");
        command.arg(self.named(VALUE, &name)).arg(stored).arg("PXAT").arg(moment.redis.saturating_add(lifetime));
        let link = self.link.clone();
        tokio::spawn(async move { link.ask::<()>(&Question::Command(command)).await });
    }

    /// Makes what is remembered of these subjects count no more.
    pub async fn forget(&self, subjects: &[String]) {
        self.mark(subjects.iter().map(String::as_str)).await;
    }

    /// Makes what is remembered under a secret name count no more.
    pub async fn forget_named(&self, secret_name: &str) {
        let name = self.hidden(VALUE, secret_name);
        self.mark([name.as_str()].into_iter()).await;
    }

    async fn mark(&self, subjects: impl Iterator<Item = &str> + Send) {
        let marked = u64::try_from(MARKED.as_millis()).unwrap_or(0);
        for subject in subjects {
            let mut command = cmd("SET");
            command.arg(self.named(MARK, subject)).arg("1").arg("PX").arg(marked);
            if self.link.ask::<()>(&Question::Command(command)).await.is_none() {
                tracing::debug!("a revocation could not be told to Redis; what it remembers ends within a second");
                return;
            }
        }
    }

    /// `subjects|signature|microseconds|value`
    fn signed(&self, name: &str, at: Timestamp, subjects: &str, value: &str) -> String {
        let at = at.unix_micros().to_string();
        let signature = hex::encode(super::mac(&self.key, &signed_parts(name, &at, subjects, value)));
        format!("{subjects}|{signature}|{at}|{value}")
    }

    /// The value of what was stored under a name, when it is ours and young enough.
    fn verified(&self, name: &str, stored: &str, now: Timestamp) -> Option<String> {
        let mut parts = stored.splitn(4, '|');
        let (subjects, signature, at, value) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hasher = hasher(&self.key, &signed_parts(name, at, subjects, value))?;
        hasher.verify_slice(&hex::decode(signature).ok()?).ok()?;
        let age = TimeDelta::microseconds(now.unix_micros().checked_sub(at.parse().ok()?)?);
        // Another server's clock may be a little ahead.
        let is_young = age.abs().to_std().is_ok_and(|age| age <= LIFETIME);
        is_young.then(|| value.to_owned())
    }
}

const fn signed_parts<'a>(name: &'a str, at: &'a str, subjects: &'a str, value: &'a str) -> [&'a [u8]; 4] {
    [name.as_bytes(), at.as_bytes(), subjects.as_bytes(), value.as_bytes()]
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::core::{redis::Patience, secret::Secret, settings};

    fn redis(secret: &str) -> Redis {
        Redis::open_with(&settings::Redis::default(), &Secret::new(secret), Patience::default()).unwrap()
    }

    #[test]
    fn only_what_this_installation_stored_lately_under_this_name_counts() {
        let redis_of = redis("one");
        let at = Timestamp::new(DateTime::UNIX_EPOCH + TimeDelta::days(9));
        let later = |by: Duration| at.plus(TimeDelta::from_std(by).unwrap());
        let stored = redis_of.signed("name", at, "a,b", "value|with|bars");
        let value = Some("value|with|bars".to_owned());
        assert_eq!(redis_of.verified("name", &stored, at), value);
        assert_eq!(redis_of.verified("name", &stored, later(LIFETIME)), value);
        // A clock that is ahead by as much.
        assert_eq!(redis_of.verified("name", &stored, at.plus(TimeDelta::milliseconds(-900))), value);

        assert_eq!(redis_of.verified("name", &stored, later(LIFETIME + Duration::from_micros(1))), None);
        assert_eq!(redis_of.verified("name", &stored, at.plus(TimeDelta::days(-1))), None);
        assert_eq!(redis_of.verified("other", &stored, at), None);
        assert_eq!(redis("two").verified("name", &stored, at), None);
        for changed in
            [stored.replace("a,b", "a"), stored.replace("value", "valve"), stored.replacen('|', "", 1), String::new()]
        {
            assert_eq!(redis_of.verified("name", &changed, at), None, "{changed}");
        }
    }

    #[test]
    fn a_mark_outlives_every_value_before_it() {
        assert!(MARKED > LIFETIME);
        assert_eq!(LIFETIME + COMMAND, REVOKED_WITHIN);
    }
}
