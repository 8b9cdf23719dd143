//! Texts that come from outside, and enumerations that are stored as lower-case words.

use crate::core::error::{Error, Result};

/// Characters of a name or title.
pub const NAME_MAX: usize = 200;
/// Characters of a description, a note, a reply.
pub const NOTE_MAX: usize = 10_000;

/// What an error shows of a text that may be a megabyte long: the first `max` characters, without what would act on a
/// terminal.
#[must_use]
pub fn shown(text: &str, max: usize) -> String {
    let mut shown = printable(text.get(..text.floor_char_boundary(max * 4)).unwrap_or(text));
    if let Some((end, _)) = shown.char_indices().nth(max) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// A text without control characters, except line breaks and tabs.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().filter(|&character| is_printable(character)).collect()
}

fn is_printable(character: char) -> bool {
    !character.is_control() || matches!(character, '\n' | '\r' | '\t')
}

/// Characters of a value that an error shows.
pub const SHOWN_MAX: usize = 40;

/// A field that must have content: trimmed, at most `max` characters, without control characters.
///
/// # Errors
/// `text.missing`, `text.too_long` or `text.control`, naming the field.
pub fn required(field: &str, text: &str, max: usize) -> Result<String> {
    let text = optional(field, text, max)?;
    if text.is_empty() {
        return Err(Error::invalid("text.missing", format!("`{field}` is missing")));
    }
    Ok(text)
}

/// As [`required`], but may be empty.
///
/// # Errors
/// `text.too_long` or `text.control`, naming the field.
pub fn optional(field: &str, text: &str, max: usize) -> Result<String> {
    let text = text.trim();
    let length = text.chars().count();
    if length > max {
        return Err(Error::invalid(
            "text.too_long",
            format!("`{field}` has {length} characters, at most {max} are allowed"),
        ));
    }
    // PostgreSQL can't store NUL, and a terminal would act on the others.
    if !text.chars().all(is_printable) {
        return Err(Error::invalid("text.control", format!("`{field}` holds control characters")));
    }
    Ok(text.to_owned())
}

/// An e-mail address, in the form that the database compares: trimmed and in lower case.
///
/// # Errors
/// `email.malformed`, naming the field.
pub fn email(field: &str, text: &str) -> Result<String> {
    const EMAIL_MAX: usize = 254;
    let address = optional(field, text, EMAIL_MAX)?.to_lowercase();
    let well_formed = address.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && host.split('.').all(|label| !label.is_empty())
            && host.contains('.')
            && !host.contains('@')
            && !address.contains(char::is_whitespace)
    });
    if well_formed {
        Ok(address)
    } else {
        Err(Error::invalid(
            "email.malformed",
            format!("`{field}` is `{address}`, expected an address such as `name@example.com`"),
        ))
    }
}

/// The one of `known` that was probably meant by `name`, where one is like it by at least `likeness_min`, from 0 to 1.
/// Names that begin alike count as near: people leave out the end of a name rather than its beginning. `plain` takes from
/// both what does not count, such as upper case.
#[must_use]
pub fn nearest<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    likeness_min: f64,
    plain: impl Fn(&str) -> String,
) -> Option<&'a str> {
    let name = plain(name);
    let alike = known.into_iter().map(|known| (strsim::jaro_winkler(&plain(known), &name), known));
    let best = alike.max_by(|(left, _), (right, _)| left.total_cmp(right));
    best.filter(|(likeness, _)| *likeness >= likeness_min).map(|(_, known)| known)
}

/// What a search compares: the parts, in lower case. Both databases then find the same rows, also beyond ASCII.
#[must_use]
pub fn search_text(parts: &[&str]) -> String {
    parts.join(" ").to_lowercase()
}

/// The `LIKE … ESCAPE '\'` pattern for "contains what the user typed".
#[must_use]
pub fn search_pattern(typed: &str) -> String {
    let mut pattern = String::from("%");
    for character in typed.trim().to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// An optional search field as a pattern; nothing typed means no filter.
///
/// # Errors
/// `text.too_long` or `text.control`.
pub fn search_filter(typed: Option<&str>) -> Result<Option<String>> {
    match typed.map(str::trim) {
        None | Some("") => Ok(None),
        Some(typed) => Ok(Some(search_pattern(&optional("search", typed, NAME_MAX)?))),
    }
}

/// Gives an enumeration of states with a `next` its `check_move`: what is not listed there is refused, in the same words
/// for each noun.
#[macro_export]
macro_rules! moves {
    ($name:ident, $noun:literal, $code:literal) => {
        impl $name {
            /// Checks a move.
            ///
            /// # Errors
            #[doc = concat!("`", $code, "`, naming both states.")]
            pub fn check_move(self, to: Self) -> $crate::core::error::Result<()> {
                if self.next().contains(&to) {
                    return Ok(());
                }
                Err($crate::core::error::Error::invalid(
                    $code,
                    format!(concat!("the ", $noun, " is {} and can't become {}"), self, to),
                ))
            }
        }
    };
}

/// An enumeration that is stored and sent as a lower-case word.
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident, $field:literal { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stored word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word.
            ///
            /// # Errors
            /// `enum.unknown`, naming the field, the text and the words that would do.
            pub fn parse(text: &str) -> $crate::core::error::Result<Self> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => {
                        let shown = $crate::core::text::shown(other, $crate::core::text::SHOWN_MAX);
                        Err($crate::core::error::Error::invalid(
                            "enum.unknown",
                            format!(concat!("`", $field, "` is `{}`, expected one of: {}"), shown, [$($word),+].join(", ")),
                        ))
                    }
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        $crate::text_enum!(@sqlx $name, ::sqlx::Postgres, ::sqlx::postgres::PgTypeInfo, ::sqlx::postgres::PgArgumentBuffer, ::sqlx::postgres::PgValueRef<'r>);
        $crate::text_enum!(@sqlx $name, ::sqlx::Sqlite, ::sqlx::sqlite::SqliteTypeInfo, ::sqlx::sqlite::SqliteArgumentsBuffer, ::sqlx::sqlite::SqliteValueRef<'r>);
    };
    (@sqlx $name:ident, $database:ty, $info:ty, $buffer:ty, $value:ty) => {
        impl ::sqlx::Type<$database> for $name {
            fn type_info() -> $info {
                <String as ::sqlx::Type<$database>>::type_info()
            }
            fn compatible(ty: &$info) -> bool {
                <String as ::sqlx::Type<$database>>::compatible(ty)
            }
        }
        impl ::sqlx::Encode<'_, $database> for $name {
            fn encode_by_ref(&self, buffer: &mut $buffer) -> ::std::result::Result<::sqlx::encode::IsNull, ::sqlx::error::BoxDynError> {
                <String as ::sqlx::Encode<$database>>::encode(self.as_str().to_owned(), buffer)
            }
        }
        impl<'r> ::sqlx::Decode<'r, $database> for $name {
            fn decode(value: $value) -> ::std::result::Result<Self, ::sqlx::error::BoxDynError> {
                Ok(Self::parse(<&str as ::sqlx::Decode<$database>>::decode(value)?)?)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_types_is_no_pattern() {
        assert_eq!(search_pattern(" 50%_É\\ "), "%50\\%\\_é\\\\%");
    }

    #[test]
    fn addresses_are_compared_in_lower_case() {
        assert_eq!(email("email", " Ann@Example.COM ").unwrap(), "ann@example.com");
        for bad in ["", "ann", "@example.com", "ann@", "ann@host", "a b@example.com", "ann@example..com", "a@b@c.d"] {
            assert!(email("email", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_nearest_name_is_like_the_other_or_none() {
        let near = |name, least| nearest(name, ["account_name", "bank_name", "url"], least, str::to_lowercase);
        assert_eq!(near("acount", 0.8), Some("account_name"));
        assert_eq!(near("URL", 1.0), Some("url"));
        assert_eq!((near("xyz", 0.8), nearest("x", [], 0.0, str::to_owned)), (None, None));
    }

    #[test]
    fn what_is_shown_is_cut_between_characters() {
        assert_eq!(shown("short", 40), "short");
        assert_eq!(shown(&"é".repeat(100), 3), "ééé…");
        assert_eq!(shown("a\0b\u{1b}[2J", 40), "ab[2J");
    }

    #[test]
    fn texts_keep_their_bounds() {
        assert!(required("name", "  ", NAME_MAX).is_err());
        assert!(required("name", "a\0b", NAME_MAX).is_err());
        assert!(required("name", &"a".repeat(1_000_000), NAME_MAX).is_err());
        assert_eq!(required("name", " 王小明 ", 3).unwrap(), "王小明");
    }
}
