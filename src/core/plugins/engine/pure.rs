//! Host functions that need nothing outside the worker: JSON, hashes, encodings, time and randomness.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::json_path;

/// Longest text that is parsed as JSON; parsed values take several times the space of their text.
const JSON_BYTES_MAX: usize = 4 << 20;

/// Most bytes that one call of `random_hex` makes.
const RANDOM_BYTES_MAX: usize = 1_024;

/// How many parsed texts are kept: a loop typically reads its configuration and a list in turn.
const JSON_KEPT: usize = 4;

/// The texts parsed last, newest first. A script reads its configuration one key at a time, always from the same text.
#[derive(Default)]
pub(super) struct JsonCache(Vec<(String, Option<Json>)>);

impl JsonCache {
    /// `json_get`: the text at a path, or the empty string.
    pub(super) fn get(&mut self, json: &str, path: &str) -> String {
        json_path::text(self.parsed(json).and_then(|value| json_path::find(value, path)))
    }

    /// `json_array_len`: the length of the array at a path, or 0.
    pub(super) fn array_len(&mut self, json: &str, path: &str) -> i64 {
        let found = self.parsed(json).and_then(|value| json_path::find(value, path));
        let length = found.and_then(Json::as_array).map_or(0, Vec::len);
        i64::try_from(length).unwrap_or(i64::MAX)
    }

    /// The text as JSON, or `None` when it is none or too long.
    pub(super) fn parsed(&mut self, json: &str) -> Option<&Json> {
        match self.0.iter().position(|(text, _)| text == json) {
            Some(0) => {}
            Some(index) => {
                let entry = self.0.remove(index);
                self.0.insert(0, entry);
            }
            None => {
                let value = if json.len() > JSON_BYTES_MAX { None } else { json_path::parse(json) };
                self.0.truncate(JSON_KEPT - 1);
                self.0.insert(0, (json.to_owned(), value));
            }
        }
        self.0.first().and_then(|(_, value)| value.as_ref())
    }
}

/// Where JSON ceases to be some, as the end of a sentence.
pub(super) fn json_fault(json: &str) -> String {
    match serde_json::from_str::<serde::de::IgnoredAny>(json) {
        Ok(_) => String::new(),
        Err(_) if json.trim().is_empty() => ": it is empty".to_owned(),
        Err(cause) => format!(": line {}, column {}", cause.line(), cause.column()),
    }
}

pub(super) fn md5_hex(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

pub(super) fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

pub(super) fn hmac_sha256_hex(key: &str, text: &str) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|error| error.to_string())?;
    mac.update(text.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Makes text safe between tags and in quoted attributes.
pub(crate) fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn base64_encode(text: &str) -> String {
    STANDARD.encode(text)
}

/// Decodes to text; bytes that are no UTF-8 have no place in a script.
pub(super) fn base64_decode(text: &str) -> Result<String, String> {
    let bytes = STANDARD
        .decode(text.trim())
        .map_err(|error| format!("`base64_decode` was given text that is not base64: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "`base64_decode` found bytes that are not UTF-8 text".to_owned())
}

/// Whether two texts are equal, in a time that does not tell where they differ: who guesses a signature learns nothing.
pub(super) fn constant_time_equals(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// The fields of a form or a query string in their order, decoded, as a JSON list of pairs. A name that comes twice is
/// there twice: only who reads them knows what that means.
pub(super) fn form_parse(text: &str) -> String {
    let text = text.trim().trim_start_matches('?');
    let pairs = form_urlencoded::parse(text.as_bytes()).map(|(name, value)| [name, value].map(Json::from).to_vec());
    pairs.collect::<Json>().to_string()
}

/// Seconds since 1970.
pub(super) fn now_unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Now in UTC, RFC 3339, whole seconds.
pub(super) fn now() -> Result<String, String> {
    let seconds = i64::try_from(now_unix()).map_err(|error| error.to_string())?;
    let time = chrono::DateTime::from_timestamp(seconds, 0).ok_or("the clock is out of range")?;
    Ok(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// Random bytes of the operating system as hexadecimal text.
pub(super) fn random_hex(bytes: Option<usize>) -> Result<String, String> {
    use rand::TryRng as _;

    let count = bytes
        .filter(|count| (1..=RANDOM_BYTES_MAX).contains(count))
        .ok_or_else(|| format!("`random_hex` takes a number of bytes from 1 to {RANDOM_BYTES_MAX}"))?;
    let mut buffer = vec![0; count];
    rand::rngs::SysRng
        .try_fill_bytes(&mut buffer)
        .map_err(|error| format!("the operating system gave no random bytes: {error}"))?;
    Ok(hex::encode(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(md5_hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            hmac_sha256_hex("key", "The quick brown fox jumps over the lazy dog").unwrap(),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        assert_eq!(url_encode("a b&c=汉~"), "a%20b%26c%3D%E6%B1%89~");
        assert_eq!(html_escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
        assert_eq!(base64_decode(&base64_encode("héllo")).unwrap(), "héllo");
        assert!(base64_decode("!").is_err());
    }

    #[test]
    fn signatures_are_compared() {
        assert!(constant_time_equals("", "") && constant_time_equals("9f汉", "9f汉"));
        for (one, other) in [("a", "b"), ("a", ""), ("a", "ab"), ("a", "A")] {
            assert!(!constant_time_equals(one, other), "{one} {other}");
        }
    }

    #[test]
    fn forms_keep_order_and_repetitions() {
        assert_eq!(form_parse("b=1+2&a=%E6%B1%89&b=&c&=x"), r#"[["b","1 2"],["a","汉"],["b",""],["c",""],["","x"]]"#);
        assert_eq!(form_parse(" ?a=b%26c%3D%22\n"), r#"[["a","b&c=\""]]"#);
        // Bytes that are no UTF-8 become the replacement character, so that no signature over them fits.
        assert_eq!(form_parse("a=%B2%E2"), "[[\"a\",\"\u{fffd}\u{fffd}\"]]");
        assert_eq!(form_parse(""), "[]");
    }

    #[test]
    fn time_and_randomness() {
        assert!(now().unwrap().ends_with('Z'));
        assert!(now_unix() > 1_700_000_000);
        assert_eq!(random_hex(Some(8)).unwrap().len(), 16);
        assert_ne!(random_hex(Some(16)), random_hex(Some(16)));
        assert!(random_hex(Some(0)).is_err() && random_hex(None).is_err());
    }

    #[test]
    fn cached_json() {
        let mut cache = JsonCache::default();
        assert_eq!(cache.get("{\"a\":1}", "a"), "1");
        assert_eq!(cache.get("{\"a\":[1,2]}", "a[1]"), "2");
        assert_eq!(cache.array_len("{\"a\":[1,2]}", "a"), 2);
        assert_eq!(cache.array_len("no json", "a"), 0);
        assert_eq!(cache.get("no json", "a"), "");
    }
}
