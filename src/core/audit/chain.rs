//! The chain: each entry's hash covers its content, its position and the hash before it.
//!
//! A hash is SHA-256 over a JSON array of the previous hash, the position and all fields, in the order of the table's
//! columns. The detail's keys are sorted, since PostgreSQL keeps them in an order of its own; the time is microseconds
//! since 1970.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::model::{Break, Head, OperationLog, Problem};
use crate::core::id::Id;

/// The hash of an entry at a position, behind the entry with the hash `previous`.
pub(super) fn hash(previous: &str, position: i64, log: &OperationLog) -> String {
    let content = json!([
        previous,
        position,
        log.id,
        log.actor_type,
        log.actor_id,
        log.actor_name,
        log.action,
        log.target_type,
        log.target_id,
        sorted(&log.detail),
        log.source,
        log.created_at.unix_micros(),
    ]);
    hex::encode(Sha256::digest(content.to_string().as_bytes()))
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut entries: Vec<_> = fields.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}

/// The walk along a chain: how far it is intact.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) end: Head,
}

impl Walk {
    /// Before the first entry.
    pub(super) const fn begin() -> Self {
        Self { end: Head { position: 0, hash: String::new() } }
    }

    /// Goes on over the next entries, which are in the order of their positions.
    pub(super) fn over(&mut self, logs: &[OperationLog]) -> Result<(), Problem> {
        for log in logs {
            let expected = self.end.position + 1;
            let position = log.position.unwrap_or_default();
            if position != expected {
                return Err(missing(expected, Some((position, log.id))));
            }
            let computed = hash(&self.end.hash, position, log);
            if log.hash.as_deref() != Some(computed.as_str()) {
                return Err(self.changed(position, log, logs));
            }
            self.end = Head { position, hash: computed };
        }
        Ok(())
    }

    /// What is wrong with an entry whose hash does not fit: one whose neighbour was sealed at this place was moved.
    fn changed(&self, position: i64, log: &OperationLog, logs: &[OperationLog]) -> Problem {
        let belongs_here = |other: &&OperationLog| {
            other.id != log.id && other.hash.as_deref() == Some(hash(&self.end.hash, position, other).as_str())
        };
        let (kind, message) = match logs.iter().find(belongs_here) {
            Some(other) => {
                let now = other.position.unwrap_or_default();
                (
                    Break::Moved,
                    format!("the entry `{}` was sealed at position {position} and is at {now} now", other.id),
                )
            }
            None => (Break::Changed, format!("the entry `{}` at position {position} is not as it was sealed", log.id)),
        };
        Problem { kind, position, id: Some(log.id), message }
    }

    /// Compares the end with the record of it.
    pub(super) fn finish(&self, recorded: &Head) -> Result<(), Problem> {
        if self.end.position < recorded.position {
            let (found, last) = (self.end.position, recorded.position);
            return Err(Problem {
                kind: Break::Truncated,
                position: found + 1,
                id: None,
                message: format!("the newest entries are gone: the log ends at position {found}, {last} were sealed"),
            });
        }
        if self.end != *recorded {
            return Err(head(recorded.position, "the last entry's hash is not the recorded one"));
        }
        Ok(())
    }
}

/// No entry at a position; `next` is the one that follows.
fn missing(position: i64, next: Option<(i64, Id)>) -> Problem {
    let behind = next.map(|(next, id)| format!(", the next one is `{id}` at {next}")).unwrap_or_default();
    let message = format!("there is no entry at position {position}{behind}");
    Problem { kind: Break::Missing, position, id: None, message }
}

/// The record of the end does not fit.
pub(super) fn head(position: i64, why: &str) -> Problem {
    Problem { kind: Break::Head, position, id: None, message: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Clock;
    use sqlx::types::Json;

    fn chain(length: i64) -> (Vec<OperationLog>, Head) {
        let mut end = Head { position: 0, hash: String::new() };
        let logs = (1..=length)
            .map(|position| {
                let mut log = OperationLog {
                    id: Id::generate(),
                    actor_type: "admin".to_owned(),
                    actor_id: String::new(),
                    actor_name: "Ann".to_owned(),
                    action: "order.pay".to_owned(),
                    target_type: "order".to_owned(),
                    target_id: position.to_string(),
                    detail: Json(json!({ "b": [{ "y": 1, "x": "2.00" }], "a": null })),
                    source: "cli".to_owned(),
                    created_at: Clock::manual(chrono::DateTime::UNIX_EPOCH).now(),
                    position: Some(position),
                    hash: None,
                };
                end = Head { position, hash: hash(&end.hash, position, &log) };
                log.hash = Some(end.hash.clone());
                log
            })
            .collect();
        (logs, end)
    }

    fn walk(logs: &[OperationLog], head: &Head) -> Result<(), Problem> {
        let mut walk = Walk::begin();
        walk.over(logs)?;
        walk.finish(head)
    }

    fn broken(change: impl Fn(&mut Vec<OperationLog>)) -> (Break, i64) {
        let (mut logs, head) = chain(5);
        change(&mut logs);
        let problem = walk(&logs, &head).unwrap_err();
        (problem.kind, problem.position)
    }

    #[test]
    fn every_kind_of_break_is_named_where_it_is() {
        let (logs, head) = chain(5);
        assert_eq!(walk(&logs, &head), Ok(()));
        assert_eq!(walk(&[], &Walk::begin().end), Ok(()));
        assert_eq!(broken(|logs| logs[2].actor_name = "Ben".to_owned()), (Break::Changed, 3));
        assert_eq!(broken(|logs| logs[2].detail = Json(json!({}))), (Break::Changed, 3));
        assert_eq!(broken(|logs| logs[0].hash = None), (Break::Changed, 1));
        assert_eq!(broken(|logs| drop(logs.remove(1))), (Break::Missing, 2));
        assert_eq!(broken(|logs| logs.truncate(3)), (Break::Truncated, 4));
        assert_eq!(broken(Vec::clear), (Break::Truncated, 1));
        let swapped = |logs: &mut Vec<OperationLog>| {
            logs.swap(1, 2);
            (logs[1].position, logs[2].position) = (Some(2), Some(3));
        };
        assert_eq!(broken(swapped), (Break::Moved, 2));
        // Somebody who computes the next hashes anew does not get past the record of the end.
        let mut forged = chain(5).0;
        let previous = forged[3].hash.clone().unwrap();
        forged[4].action = "order.cancel".to_owned();
        forged[4].hash = Some(hash(&previous, 5, &forged[4]));
        assert!(walk(&forged, &head).is_err());
    }

    #[test]
    fn the_order_of_keys_is_no_change() {
        let (mut logs, head) = chain(1);
        logs[0].detail = Json(serde_json::from_str(r#"{"a":null,"b":[{"x":"2.00","y":1}]}"#).unwrap());
        assert_eq!(walk(&logs, &head), Ok(()));
    }
}
