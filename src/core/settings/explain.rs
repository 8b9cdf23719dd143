//! What is wrong with a configuration: the file, the line, the key, what was expected, and the nearest known key.

use std::sync::LazyLock;

use super::Settings;
use crate::core::error::Error;

/// The example lists every key, which a test holds against the sections.
const EXAMPLE: &str = include_str!("../../../config.example.toml");
/// What the code of every error about a configuration is.
pub(super) const CODE: &str = "config.invalid";
/// Keys whose values stay out of messages.
const SECRET_KEYS: [&str; 3] = ["secret", "url", "admin_password"];

/// Every key, as `section.key`.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let example: toml::Table = toml::from_str(EXAMPLE).unwrap_or_default();
    let keys = example.iter().filter_map(|(section, keys)| Some((section, keys.as_table()?)));
    keys.flat_map(|(section, keys)| keys.keys().map(move |key| format!("{section}.{key}"))).collect()
});

/// Whether `section.key` exists.
pub(super) fn is_key(key: &str) -> bool {
    KEYS.iter().any(|known| known == key)
}

/// Reads one layer on its own, so that an error can say where it is.
///
/// # Errors
/// `config.invalid`, with the place and the key.
pub(super) fn check(place: &str, text: &str) -> Result<toml::Table, Error> {
    toml::from_str::<Settings>(text).map_err(|error| explain(place, text, &error))?;
    toml::from_str(text).map_err(|error| explain(place, text, &error))
}

fn explain(place: &str, text: &str, error: &toml::de::Error) -> Error {
    let offset = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.get(..offset).unwrap_or(text).split('\n').count();
    let message = error.message().trim();
    let place = format!("{place}, line {line}");
    if let Some(name) = message.strip_prefix("unknown field ").and_then(|rest| rest.split('`').nth(1)) {
        return unknown(&place, &key_at(text, line, Some(name)));
    }
    let key = key_at(text, line, None);
    if matches!(key.as_str(), "plugins.allow_private" | "server.trusted_proxies") && message.contains("invalid IP") {
        return Error::invalid(CODE, format!("{place}: `{key}`: expected networks such as \"10.0.0.0/8\""));
    }
    // `invalid type: string "x", expected u16` is about a value; anything else is about the syntax.
    let value = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let problem = match value.and_then(|value| value.split_once(", expected ")) {
        None => message.to_owned(),
        Some((_, expected)) if SECRET_KEYS.iter().any(|secret| key.ends_with(secret)) => {
            format!("`{key}`: expected {}", in_words(expected))
        }
        Some((found, expected)) => format!("`{key}` is {found}, expected {}", in_words(expected)),
    };
    Error::invalid(CODE, format!("{place}: {problem}"))
}

/// The error for a key that does not exist, with the nearest one that does.
pub(super) fn unknown(place: &str, key: &str) -> Error {
    let error = Error::invalid(CODE, format!("{place}: unknown key `{key}`"));
    match nearest(key) {
        Some(nearest) => error.hint(format!("the nearest key is `{nearest}`")),
        None => error,
    }
}

fn nearest(key: &str) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let is_section = !key.contains('.');
    let sections = || KEYS.iter().filter_map(|known| known.split_once('.').map(|(section, _)| section.to_owned()));
    let candidates = KEYS.iter().cloned().chain(sections().filter(|_| is_section));
    candidates.min_by_key(|known| {
        // A known key in the wrong section is nearer than any misspelling.
        if last(known) == last(key) { 0 } else { strsim::damerau_levenshtein(known, key) + 1 }
    })
}

/// The full name of the key on a line: the table's header above it, and what stands before `=`.
fn key_at(text: &str, line: usize, field: Option<&str>) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).take(line).collect();
    let Some(current) = lines.last() else { return field.unwrap_or_default().to_owned() };
    let header = |line: &&str| {
        let inner = line.strip_prefix('[')?.split(']').next()?;
        Some(inner.trim_matches(['[', ' ']).to_owned()).filter(|inner| !inner.contains(['"', ',']))
    };
    if let Some(own) = header(current) {
        return own;
    }
    let section = lines.iter().rev().find_map(header).unwrap_or_default();
    // A value may go over several lines: its key is on the nearest line above that has one.
    let named = lines.iter().rev().find_map(|line| line.split_once('=').filter(|_| !line.starts_with('#')));
    let mut path: Vec<&str> = section.split('.').filter(|part| !part.is_empty()).collect();
    path.extend(named.map(|(key, _)| key.trim()).into_iter().flat_map(|key| key.split('.')).map(str::trim));
    if let Some(field) = field
        && path.last() != Some(&field)
    {
        path.push(field);
    }
    path.join(".")
}

/// Serde's words for types, in words for people.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number from 0 up",
        "a string" | "path string" => "a text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list such as [\"a\", \"b\"]",
        other if other.starts_with("struct ") => "a section such as [server]",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        check("c.toml", text).unwrap_err().public_message()
    }

    #[test]
    fn the_example_has_every_key_and_nothing_else_than_the_defaults() {
        let example: Settings = toml::from_str(EXAMPLE).unwrap();
        assert_eq!(format!("{example:#?}"), format!("{:#?}", Settings::default()));
        // `Debug` hides secrets.
        assert_eq!(example.jwt.secret, Settings::default().jwt.secret);
        assert_eq!(example.db.url, Settings::default().db.url);
        assert_eq!(example.redis.url, Settings::default().redis.url);
        assert_eq!(example.bootstrap.admin_password, Settings::default().bootstrap.admin_password);

        let listed = |text: &str| -> Vec<String> {
            let error = toml::from_str::<Settings>(text).unwrap_err();
            error.message().split('`').skip(3).step_by(2).map(str::to_owned).collect()
        };
        let mut keys: Vec<String> = Vec::new();
        for section in listed("zzz = 1") {
            let of_section = listed(&format!("[{section}]\nzzz = 1"));
            keys.extend(of_section.into_iter().map(|key| format!("{section}.{key}")));
        }
        keys.sort();
        let mut example = KEYS.clone();
        example.sort();
        assert_eq!(example, keys);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
        for (text, expected) in [
            (
                "[server]\nhost = \"::1\"\nprot = 1",
                "c.toml, line 3: unknown key `server.prot`; the nearest key is `server.port`",
            ),
            ("# x\n[sever]\nport = 1", "c.toml, line 2: unknown key `sever`; the nearest key is `server`"),
            ("port = 1", "c.toml, line 1: unknown key `port`; the nearest key is `server.port`"),
            ("server.prot = 1", "c.toml, line 1: unknown key `server.prot`; the nearest key is `server.port`"),
            ("server = { prot = 1 }", "c.toml, line 1: unknown key `server.prot`; the nearest key is `server.port`"),
            (
                "[jwt]\ncurrency = 'x'",
                "c.toml, line 2: unknown key `jwt.currency`; the nearest key is `billing.currency`",
            ),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line_and_what_was_expected() {
        for (text, expected) in [
            (
                "\n[server]\nport = \"x\"",
                "c.toml, line 3: `server.port` is string \"x\", expected a whole number from 0 to 65535",
            ),
            (
                "[server]\nport = 70000",
                "c.toml, line 2: `server.port` is integer `70000`, expected a whole number from 0 to 65535",
            ),
            ("[jwt]\nsecret = 123456", "c.toml, line 2: `jwt.secret`: expected a text in quotes"),
            ("[redis]\nenabled = 1", "c.toml, line 2: `redis.enabled` is integer `1`, expected true or false"),
            (
                "[plugins]\nallow_private = [\n  \"10.0.0.0/8\",\n  \"nonsense\",\n]",
                "c.toml, line 4: `plugins.allow_private`: expected networks such as \"10.0.0.0/8\"",
            ),
            (
                "[server]\ntrusted_proxies = [\"10.0.0.1\"]",
                "c.toml, line 2: `server.trusted_proxies`: expected networks such as \"10.0.0.0/8\"",
            ),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
        assert!(message("[server]\nport = = 1").starts_with("c.toml, line 2: "));
        assert!(message("[server\nport = 1").starts_with("c.toml, line 1: "));
    }
}
