//! Time as an argument: a [`Clock`] that tests can move, and the timestamp that both databases keep alike.

use std::{
    fmt,
    sync::Arc,
    sync::atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use serde::{Serialize, Serializer};
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};

use crate::core::{
    error::{Error, Result},
    text::shown,
};

/// A moment in UTC, cut to microseconds, which is what PostgreSQL keeps.
///
/// `TIMESTAMPTZ` on PostgreSQL; on SQLite 27 characters, `2026-01-31T08:00:00.000000Z`, whose order as text is
/// their order in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// This moment, cut to microseconds.
    #[must_use]
    pub fn new(at: DateTime<Utc>) -> Self {
        const MICROSECOND_DIGITS: u16 = 6;
        Self(at.trunc_subsecs(MICROSECOND_DIGITS))
    }

    /// The day, in UTC.
    #[must_use]
    pub fn date(self) -> NaiveDate {
        self.0.date_naive()
    }

    /// The first moment of a day, in UTC.
    #[must_use]
    pub fn start_of(day: NaiveDate) -> Self {
        Self(day.and_time(NaiveTime::MIN).and_utc())
    }

    /// The calendar year, in UTC.
    #[must_use]
    pub fn year(self) -> i32 {
        self.0.year()
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Microseconds since 1970: all that is kept of a moment.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// This much later; earlier with a negative delta.
    #[must_use]
    pub fn plus(self, delta: TimeDelta) -> Self {
        Self(self.0 + delta)
    }

    /// How long after `earlier` this is.
    #[must_use]
    pub fn since(self, earlier: Self) -> TimeDelta {
        self.0 - earlier.0
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with `Z`, to the second, as the wire has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Type<Postgres> for Timestamp {
    fn type_info() -> PgTypeInfo {
        <DateTime<Utc> as Type<Postgres>>::type_info()
    }
    fn compatible(ty: &PgTypeInfo) -> bool {
        <DateTime<Utc> as Type<Postgres>>::compatible(ty)
    }
}

impl Encode<'_, Postgres> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <DateTime<Utc> as Encode<Postgres>>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Timestamp {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <DateTime<Utc> as Decode<Postgres>>::decode(value).map(Self)
    }
}

impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }
    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <String as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<Sqlite>>::encode(self.0.to_rfc3339_opts(SecondsFormat::Micros, true), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Timestamp {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        let text = <&str as Decode<Sqlite>>::decode(value)?;
        Ok(Self(DateTime::parse_from_rfc3339(text)?.with_timezone(&Utc)))
    }
}

/// Where the time comes from. Nothing else in the project asks the system for it.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    /// Microseconds since 1970, moved by hand.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is moved with [`Clock::advance`]; clones move together.
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.timestamp_micros()))))
    }

    /// Moves a manual clock; the machine's clock is left alone.
    pub fn advance(&self, delta: TimeDelta) {
        if let Source::Manual(micros) = &self.0 {
            micros.fetch_add(delta.num_microseconds().unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// Now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the time")]
    pub fn now(&self) -> Timestamp {
        let at = match &self.0 {
            Source::System => Utc::now(),
            Source::Manual(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default()
            }
        };
        Timestamp::new(at)
    }
}

/// Reads the day in `field`.
///
/// # Errors
/// `date.malformed`, naming the field, for anything but `YYYY-MM-DD`.
pub fn parse_date(field: &str, text: &str) -> Result<NaiveDate> {
    const LENGTH: usize = 10;
    let malformed = || {
        let shown = shown(text, LENGTH);
        Error::invalid("date.malformed", format!("`{field}` is `{shown}`, expected a day such as `2026-01-31`"))
    };
    // chrono also takes signs, blanks and single digits; only what it would write itself is taken here.
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| malformed())?;
    if date.to_string() == text && text.len() == LENGTH { Ok(date) } else { Err(malformed()) }
}

/// `start` plus `months`, keeping the day of the month where that month has it, else its last day.
///
/// Always count from the first day of a series: 31 January, 28 February, 31 March.
///
/// # Errors
/// `date.out_of_range` beyond the calendar.
pub fn add_months(start: NaiveDate, months: u32) -> Result<NaiveDate> {
    start.checked_add_months(Months::new(months)).ok_or_else(|| {
        Error::invalid("date.out_of_range", format!("{months} months after {start} is beyond the calendar"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_of_months_keeps_its_day() {
        let start = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
        let days: Vec<String> = (0..4).map(|month| add_months(start, month).unwrap().to_string()).collect();
        assert_eq!(days, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]);
    }

    #[test]
    fn only_plain_days_are_read() {
        assert!(parse_date("due", "2026-02-28").is_ok());
        for text in [
            "",
            "2026-2-28",
            "2026-02-30",
            "28-02-2026",
            "2026-02-28T00",
            "２０２６-0",
            "+99999-1-1",
            "-001-01-01",
            " 2026-1-31",
        ] {
            assert!(parse_date("due", text).unwrap_err().to_string().contains("`due`"), "{text}");
        }
    }

    #[test]
    fn a_manual_clock_moves_with_its_clones() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        clock.clone().advance(TimeDelta::days(1));
        assert_eq!(clock.now().to_string(), "1970-01-02T00:00:00Z");
    }
}
