//! Amounts of money: two decimals, checked arithmetic, one named rounding, no float anywhere.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive as _};
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};

use crate::core::{
    error::{Error, Result},
    text::{SHOWN_MAX, shown},
};

/// Decimals of every amount.
pub const DECIMALS: u32 = 2;

/// The largest number of minor units that `DECIMAL(12,2)` holds: 9 999 999 999.99.
const MINOR_MAX: i64 = 999_999_999_999;

/// An amount in the installation's currency, with exactly two decimals and at most twelve digits.
///
/// On PostgreSQL it is `NUMERIC(12,2)`, on SQLite an integer of minor units (cents).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(Decimal);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// An amount given in minor units, for instance cents.
    ///
    /// # Errors
    /// `money.out_of_range` beyond twelve digits.
    pub fn from_minor(minor: i64) -> Result<Self> {
        if minor.abs() > MINOR_MAX {
            return Err(out_of_range(Decimal::new(minor, DECIMALS)));
        }
        Ok(Self(Decimal::new(minor, DECIMALS)))
    }

    /// Reads an amount that a person or a client wrote: `29`, `29.0`, `29.00`, with a leading `-` if `signed`.
    ///
    /// # Errors
    /// `money.malformed`, naming `field` and the text: exponents, more than two decimals, other characters;
    /// `money.out_of_range` beyond twelve digits.
    pub fn parse(field: &str, text: &str, sign: Sign) -> Result<Self> {
        let malformed = || {
            let example = match sign {
                Sign::Positive => "a positive amount such as `29.00`",
                Sign::NotNegative => "an amount such as `29.00`",
                Sign::Any => "an amount such as `29.00` or `-5.00`",
            };
            Error::invalid("money.malformed", format!("`{field}` is `{}`, expected {example}", shown(text, SHOWN_MAX)))
        };
        let digits = match text.strip_prefix('-') {
            Some(rest) if sign == Sign::Any => rest,
            Some(_) => return Err(malformed()),
            None => text,
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > DECIMALS as usize {
            return Err(malformed());
        }
        let amount: Decimal = text.parse().map_err(|_| out_of_range_text(field, text))?;
        let money = Self::exact(amount).map_err(|_| out_of_range_text(field, text))?;
        if sign == Sign::Positive && money.0.is_zero() {
            return Err(malformed());
        }
        Ok(money)
    }

    /// Rounds the end of a computation to two decimals, half away from zero (the contract's rule).
    ///
    /// # Errors
    /// `money.out_of_range` beyond twelve digits.
    pub fn round_half_away_from_zero(amount: Decimal) -> Result<Self> {
        Self::exact(amount.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointAwayFromZero))
    }

    /// Takes an amount that must have two decimals at most already.
    fn exact(amount: Decimal) -> Result<Self> {
        let mut scaled = amount;
        scaled.rescale(DECIMALS);
        if scaled != amount {
            return Err(Error::internal("money.inexact", format!("`{amount}` has more than two decimals")));
        }
        match minor_of(scaled) {
            Some(minor) if minor.abs() <= MINOR_MAX => Ok(Self(scaled)),
            _ => Err(out_of_range(amount)),
        }
    }

    /// The amount in minor units.
    #[must_use]
    pub fn minor(self) -> i64 {
        // The constructors keep every amount within twelve digits, so that this never saturates.
        minor_of(self.0).unwrap_or(i64::MAX)
    }

    /// The plain decimal, for rates and ratios.
    #[must_use]
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// `money.out_of_range` beyond twelve digits.
    pub fn plus(self, other: Self) -> Result<Self> {
        Self::exact(self.0 + other.0)
    }

    /// The difference.
    ///
    /// # Errors
    /// `money.out_of_range` beyond twelve digits.
    pub fn minus(self, other: Self) -> Result<Self> {
        Self::exact(self.0 - other.0)
    }

    /// The amount `count` times.
    ///
    /// # Errors
    /// `money.out_of_range` beyond twelve digits.
    pub fn times(self, count: u32) -> Result<Self> {
        let product = self.0.checked_mul(Decimal::from(count)).ok_or_else(|| out_of_range(self.0))?;
        Self::exact(product)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(-self.0)
    }

    /// The sum of many.
    ///
    /// # Errors
    /// `money.out_of_range` beyond twelve digits.
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Result<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::plus)
    }

    /// Below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }

    /// Exactly zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

/// Which signs a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// More than zero.
    Positive,
    /// Zero or more.
    NotNegative,
    /// Any.
    Any,
}

fn minor_of(amount: Decimal) -> Option<i64> {
    (amount.checked_mul(Decimal::ONE_HUNDRED)?).to_i64()
}

fn out_of_range(amount: Decimal) -> Error {
    Error::invalid("money.out_of_range", format!("the amount `{amount}` has more than 12 digits"))
}

fn out_of_range_text(field: &str, text: &str) -> Error {
    Error::invalid(
        "money.out_of_range",
        format!("`{field}` is `{}`, amounts have at most 12 digits", shown(text, SHOWN_MAX)),
    )
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A negative zero must not show its sign.
        let amount = if self.0.is_zero() { Decimal::ZERO } else { self.0 };
        write!(f, "{amount:.2}")
    }
}

impl serde::Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse("amount", &text, Sign::Any).map_err(serde::de::Error::custom)
    }
}

impl Type<Postgres> for Money {
    fn type_info() -> PgTypeInfo {
        <Decimal as Type<Postgres>>::type_info()
    }
    fn compatible(ty: &PgTypeInfo) -> bool {
        <Decimal as Type<Postgres>>::compatible(ty)
    }
}

impl Encode<'_, Postgres> for Money {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <Decimal as Encode<Postgres>>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Money {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::exact(<Decimal as Decode<Postgres>>::decode(value)?)?)
    }
}

impl Type<Sqlite> for Money {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Money {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<Sqlite>>::encode(self.minor(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Money {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::from_minor(<i64 as Decode<Sqlite>>::decode(value)?)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str, sign: Sign) -> Result<Money> {
        Money::parse("amount", text, sign)
    }

    #[test]
    fn reads_what_people_write_and_always_shows_two_decimals() {
        for (text, shown) in [
            ("29", "29.00"),
            ("29.0", "29.00"),
            ("29.00", "29.00"),
            ("0.01", "0.01"),
            ("9999999999.99", "9999999999.99"),
        ] {
            assert_eq!(parse(text, Sign::Positive).unwrap().to_string(), shown);
        }
        assert_eq!(parse("-0.00", Sign::Any).unwrap().to_string(), "0.00");
    }

    #[test]
    fn refuses_everything_else_and_names_the_field() {
        for text in [
            "",
            " 1",
            "1 ",
            "+1",
            "-1",
            "1.",
            ".5",
            "1.005",
            "1e3",
            "0x1",
            "1,00",
            "NaN",
            "٣",
            "10000000000",
            "1\0",
            "0",
        ] {
            let error = parse(text, Sign::Positive).unwrap_err();
            assert_eq!(error.kind(), crate::core::error::Kind::InvalidArgument, "{text:?}");
            assert!(error.to_string().contains("`amount`"), "{error}");
        }
        assert!(parse("0", Sign::NotNegative).is_ok());
        assert!(parse("-1", Sign::Any).is_ok());
        assert!(parse(&"9".repeat(1_000_000), Sign::Any).unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn rounds_half_away_from_zero() {
        for (amount, rounded) in [("12.345", "12.35"), ("-12.345", "-12.35"), ("12.344", "12.34"), ("0.005", "0.01")] {
            let money = Money::round_half_away_from_zero(amount.parse().unwrap()).unwrap();
            assert_eq!(money.to_string(), rounded);
        }
    }

    #[test]
    fn does_not_overflow_in_silence() {
        let most = Money::from_minor(MINOR_MAX).unwrap();
        assert!(most.plus(Money::from_minor(1).unwrap()).is_err());
        assert!(most.times(u32::MAX).is_err());
    }

    proptest! {
        #[test]
        fn minor_units_and_text_are_the_same_amount(minor in -MINOR_MAX..=MINOR_MAX) {
            let money = Money::from_minor(minor).unwrap();
            prop_assert_eq!(money.minor(), minor);
            prop_assert_eq!(parse(&money.to_string(), Sign::Any).unwrap(), money);
        }

        #[test]
        fn adding_and_taking_away_changes_nothing(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let (a, b) = (Money::from_minor(a).unwrap(), Money::from_minor(b).unwrap());
            prop_assert_eq!(a.plus(b).unwrap().minus(b).unwrap(), a);
        }
    }
}
