//! Identifiers: UUID v7, so that later ones sort after earlier ones.

use std::{fmt, str::FromStr as _};

use serde::{Deserialize, Serialize};
use sqlx::{
    Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};
use uuid::Uuid;

use crate::core::{
    error::{Error, Result},
    text::shown,
};

/// An identifier. `UUID` on PostgreSQL; on SQLite its 36 characters, so that an operator can read the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// A new identifier. The one place that makes them.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that makes identifiers")]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The one before all others; nothing has it.
    pub const NIL: Self = Self(Uuid::nil());

    /// Reads the identifier in `field`, in its usual hyphenated form.
    ///
    /// # Errors
    /// `id.malformed`, naming the field.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        const HYPHENATED_LENGTH: usize = 36;
        if text.is_empty() {
            return Err(Error::invalid("id.missing", format!("`{field}` is missing, expected a UUID")));
        }
        if text.len() != HYPHENATED_LENGTH {
            let shown = shown(text, HYPHENATED_LENGTH);
            return Err(Error::invalid("id.malformed", format!("`{field}` is `{shown}`, expected a UUID")));
        }
        Uuid::from_str(text)
            .map(Self)
            .map_err(|_| Error::invalid("id.malformed", format!("`{field}` is `{text}`, expected a UUID")))
    }

    /// As [`Id::parse`], with the empty text for "none".
    ///
    /// # Errors
    /// As [`Id::parse`].
    pub fn parse_optional(field: &str, text: &str) -> Result<Option<Self>> {
        if text.is_empty() { Ok(None) } else { Self::parse(field, text).map(Some) }
    }

    /// The UUID inside.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for Id {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Type<Postgres> for Id {
    fn type_info() -> PgTypeInfo {
        <Uuid as Type<Postgres>>::type_info()
    }
    fn compatible(ty: &PgTypeInfo) -> bool {
        <Uuid as Type<Postgres>>::compatible(ty)
    }
}

impl sqlx::postgres::PgHasArrayType for Id {
    fn array_type_info() -> PgTypeInfo {
        <Uuid as sqlx::postgres::PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <Uuid as Encode<Postgres>>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Id {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <Uuid as Decode<Postgres>>::decode(value).map(Self)
    }
}

impl Type<Sqlite> for Id {
    fn type_info() -> SqliteTypeInfo {
        <String as Type<Sqlite>>::type_info()
    }
    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <String as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Id {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<Sqlite>>::encode(self.0.to_string(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Id {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(Uuid::from_str(<&str as Decode<Sqlite>>::decode(value)?)?))
    }
}
