//! Pages of a list: newest first, with an exact total.

use crate::core::{database::Query, error::Error, error::Result};

/// Rows of a page when the caller does not say.
const PAGE_SIZE_DEFAULT: u32 = 20;
/// Most rows of a page.
pub const PAGE_SIZE_MAX: u32 = 100;

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    page: u32,
    page_size: u32,
}

/// A page and where it stands.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// How many rows there are in all.
    pub total: u64,
    /// The number of this page, from 1.
    pub page: u32,
    /// Rows of a full page.
    pub page_size: u32,
}

impl PageRequest {
    /// Page 0 means 1, size 0 means 20; a size above 100 is cut.
    #[must_use]
    pub const fn new(page: u32, page_size: u32) -> Self {
        let page_size = match page_size {
            0 => PAGE_SIZE_DEFAULT,
            size if size > PAGE_SIZE_MAX => PAGE_SIZE_MAX,
            size => size,
        };
        Self { page: if page == 0 { 1 } else { page }, page_size }
    }

    /// Runs the query for the rows, after `count` said how many there are. A page behind the last one is empty.
    ///
    /// # Errors
    /// What the queries return.
    pub async fn fetch<T: crate::core::database::Row>(self, count: Query<'_>, rows: Query<'_>) -> Result<Page<T>> {
        let total = count.scalar::<i64>().await?;
        let offset = i64::from(self.page - 1) * i64::from(self.page_size);
        let items = if offset < total { rows.page(i64::from(self.page_size), offset).all().await? } else { Vec::new() };
        let total = u64::try_from(total).map_err(|_| Error::internal("page.count", format!("counted {total} rows")))?;
        Ok(Page { items, total, page: self.page, page_size: self.page_size })
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl<T> Page<T> {
    /// How many pages there are.
    #[must_use]
    pub fn total_pages(&self) -> u32 {
        u32::try_from(self.total.div_ceil(u64::from(self.page_size))).unwrap_or(u32::MAX)
    }

    /// The same page of something else.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            total: self.total,
            page: self.page,
            page_size: self.page_size,
        }
    }
}
