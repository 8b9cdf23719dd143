//! Locks in Redis: a key that only one can make, with an end of its own.

use std::{sync::LazyLock, time::Duration};

use ::redis::{Script, cmd};

use super::{Redis, link::Question};
use crate::core::secret::random_text;

/// Characters of what proves who took a lock.
const PROOF_LENGTH: usize = 24;

/// Deletes a lock that is still one's own: after its end somebody else may have it.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
});

/// A lock that was taken. It ends by itself when its lease is over.
pub struct RedisLock {
    redis: Redis,
    key: String,
    proof: String,
}

impl Redis {
    /// Takes a lock, or says that somebody has it (`Some(None)`); `None` when Redis is away.
    pub async fn lock(&self, name: &str, lease: Duration) -> Option<Option<RedisLock>> {
        if self.link.is_away() {
            return None;
        }
        let (key, proof) = (self.named("lock", name), random_text(PROOF_LENGTH));
        let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let mut command = cmd("SET");
        command.arg(&key).arg(&proof).arg("NX").arg("PX").arg(lease);
        let made: Option<String> = self.link.ask(&Question::Command(command)).await?;
        Some(made.map(|_| RedisLock { redis: self.clone(), key, proof }))
    }
}

impl RedisLock {
    /// Gives it back, unless its lease is over and somebody else has it.
    pub async fn release(&self) {
        let mut call = RELEASE.prepare_invoke();
        call.key(&self.key).arg(&self.proof);
        let _: Option<u64> = self.redis.link.ask(&Question::Script(call)).await;
    }
}
