//! Limits that all servers count together.

use std::{sync::LazyLock, time::Duration};

use ::redis::Script;

use super::{Redis, link::Question};

/// Counts in windows that begin with the first try. In one script, so that no window is left without an end.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local count = redis.call('INCR', KEYS[1])
         if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
         if count <= tonumber(ARGV[1]) then return 0 end
         return math.max(redis.call('PTTL', KEYS[1]), 1)",
    )
});

impl Redis {
    /// Counts one try of `who`: `Err` is how long to wait until the next one. `None` when Redis is away.
    pub async fn count(&self, what: &str, who: &str, limit: u32, window: Duration) -> Option<Result<(), Duration>> {
        if self.link.is_away() {
            return None;
        }
        let mut call = COUNT.prepare_invoke();
        let name = self.hidden(what, who);
        call.key(self.named("limit", &name)).arg(limit).arg(u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
        let wait: u64 = self.link.ask(&Question::Script(call)).await?;
        Some(if wait == 0 { Ok(()) } else { Err(Duration::from_millis(wait)) })
    }
}
