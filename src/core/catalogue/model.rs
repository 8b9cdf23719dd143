//! Categories and groups.

use crate::core::{error::Result, id::Id, time::Timestamp};

/// A category of groups.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Category {
    /// The identifier.
    pub id: Id,
    /// The name.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// The position, ascending.
    #[sqlx(try_from = "i64")]
    pub sort_order: i32,
    /// How many groups are in it.
    #[sqlx(try_from = "i64")]
    pub group_count: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A group of products.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Group {
    /// The identifier.
    pub id: Id,
    /// The category that it is shown in.
    pub category_id: Option<Id>,
    /// The name.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// The position, ascending.
    #[sqlx(try_from = "i64")]
    pub sort_order: u32,
    /// How many products are in it, of those that the caller may see.
    #[sqlx(try_from = "i64")]
    pub product_count: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Where a change puts something: a group into a category, a product into a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Where it is.
    #[default]
    Unchanged,
    /// Out of wherever it is.
    Nowhere,
    /// In here.
    In(Id),
}

impl Placement {
    /// Reads the identifier in `field`: absent leaves it where it is, an empty text takes it out.
    ///
    /// # Errors
    /// `id.malformed`, naming the field.
    pub fn parse(field: &str, text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(Self::Unchanged),
            Some("") => Ok(Self::Nowhere),
            Some(text) => Id::parse(field, text).map(Self::In),
        }
    }

    /// Where it is after the change.
    #[must_use]
    pub const fn after(self, current: Option<Id>) -> Option<Id> {
        match self {
            Self::Unchanged => current,
            Self::Nowhere => None,
            Self::In(id) => Some(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_empty_are_not_the_same() {
        let (old, new) = (Id::generate(), Id::generate());
        let moved = |text| Placement::parse("group_id", text).unwrap().after(Some(old));
        assert_eq!(moved(None), Some(old));
        assert_eq!(moved(Some("")), None);
        assert_eq!(moved(Some(&new.to_string())), Some(new));
        assert_eq!(Placement::parse("group_id", Some("x")).unwrap_err().code(), "id.malformed");
    }
}
