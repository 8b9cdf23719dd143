//! What several services convert: pages, absent values, identifiers.

use std::fmt::Display;

use super::protocol::rustbill::common;
use crate::core::{
    error::Result,
    id::Id,
    money::{Money, Sign},
    page::{Page, PageRequest},
};

/// The page that was asked for; without one, the first.
#[must_use]
pub fn page_request(page: Option<common::PageRequest>) -> PageRequest {
    page.map_or_else(PageRequest::default, |page| PageRequest::new(page.page, page.page_size))
}

/// Where a page lies in its list.
#[must_use]
pub fn page_meta<T>(page: &Page<T>) -> common::PageMeta {
    common::PageMeta { total: page.total, page: page.page, page_size: page.page_size, total_pages: page.total_pages() }
}

/// The rows of a page, encoded, and its place: what every list answers.
pub fn page<T, U>(page: Page<T>, encode: impl FnMut(T) -> U) -> (Vec<U>, Option<common::PageMeta>) {
    let meta = page_meta(&page);
    (page.items.into_iter().map(encode).collect(), Some(meta))
}

/// An absent value is an empty text on the wire.
pub fn text(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// An empty text on the wire is an absent value.
#[must_use]
pub fn present(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The value of an `optional` field; clients send some of these empty where they mean nothing.
#[must_use]
pub fn given(field: Option<&String>) -> Option<&str> {
    field.map(String::as_str).and_then(present)
}

/// The identifier in an `optional` field.
///
/// # Errors
/// `id.malformed`, naming the field.
pub fn given_id(field: &str, value: Option<&String>) -> Result<Option<Id>> {
    given(value).map(|text| Id::parse(field, text)).transpose()
}

/// An amount of zero or more, where an empty text is zero.
///
/// # Errors
/// As [`Money::parse`].
pub fn amount_or_zero(field: &str, text: &str) -> Result<Money> {
    present(text).map_or(Ok(Money::ZERO), |text| Money::parse(field, text, Sign::NotNegative))
}

/// The amount of zero or more in an `optional` field.
///
/// # Errors
/// As [`Money::parse`].
pub fn given_amount(field: &str, value: Option<&String>) -> Result<Option<Money>> {
    given(value).map(|text| Money::parse(field, text, Sign::NotNegative)).transpose()
}

/// Identifiers in a `repeated` field; an error names the place.
///
/// # Errors
/// `id.malformed`, naming the field.
pub fn ids(field: &str, values: &[String]) -> Result<Vec<Id>> {
    values.iter().zip(0..).map(|(text, number)| Id::parse(&format!("{field}[{number}]"), text)).collect()
}

/// The identifier of an `IdRequest`.
///
/// # Errors
/// `id.malformed` when it is malformed.
pub fn id(request: &common::IdRequest) -> Result<Id> {
    Id::parse("id", &request.id)
}

/// The answer of calls that return nothing.
#[must_use]
pub fn empty() -> tonic::Response<common::EmptyResponse> {
    tonic::Response::new(common::EmptyResponse {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_absent_values() {
        assert_eq!(page_request(None), PageRequest::new(1, 20));
        let asked = common::PageRequest { page: 3, page_size: 500 };
        assert_eq!(page_request(Some(asked)), PageRequest::new(3, 100));
        let found = Page { items: vec![1, 2], total: 42, page: 3, page_size: 20 };
        let (rows, meta) = page(found, |row| row * 10);
        assert_eq!(rows, [10, 20]);
        assert_eq!(meta.unwrap(), common::PageMeta { total: 42, page: 3, page_size: 20, total_pages: 3 });
        assert_eq!((text(None::<u8>), text(Some(7))), (String::new(), "7".to_owned()));
        assert_eq!((present(""), present("x")), (None, Some("x")));
        assert_eq!((given(None), given(Some(&String::new())), given(Some(&"x".to_owned()))), (None, None, Some("x")));
        assert!(given_id("order_id", Some(&"7".to_owned())).unwrap_err().to_string().contains("`order_id`"));
        assert_eq!(amount_or_zero("tax_amount", "").unwrap(), Money::ZERO);
        assert!(amount_or_zero("tax_amount", "-1").is_err());
    }
}
