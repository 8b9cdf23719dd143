//! JSON documents that mean the same get the same text. PostgreSQL keeps no order of keys, and writes numbers its own
//! way: `1e3` comes back as `1000`, while `1.10` stays.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Deeper documents are nobody's; the program itself reads 128 levels.
const DEPTH_MAX: usize = 200;

/// The canonical text; `None` for what is no JSON, or too deep.
pub(super) fn canonical(text: &str) -> Option<String> {
    let mut written = String::with_capacity(text.len());
    write(serde_json::from_str(text).ok()?, DEPTH_MAX, &mut written)?;
    Some(written)
}

fn write(value: &RawValue, depth: usize, to: &mut String) -> Option<()> {
    let text = value.get().trim();
    let depth = depth.checked_sub(1)?;
    match text.as_bytes().first()? {
        b'{' => {
            // Of a key that is there twice the last value counts, as in PostgreSQL.
            let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
            to.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                to.push_str(&serde_json::to_string(&key).ok()?);
                to.push(':');
                write(value, depth, to)?;
            }
            to.push('}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            to.push('[');
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    to.push(',');
                }
                write(item, depth, to)?;
            }
            to.push(']');
        }
        b'"' => to.push_str(&serde_json::to_string(&serde_json::from_str::<String>(text).ok()?).ok()?),
        b't' | b'f' | b'n' => to.push_str(text),
        _ => to.push_str(&number(text)?),
    }
    Some(())
}

/// Sign, digits without zeros at either end, and the power of ten: the value itself, without any rounding.
fn number(text: &str) -> Option<String> {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let dropped = i64::try_from(digits.len() - digits.trim_end_matches('0').len()).ok()?;
    let exponent =
        exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    Some(format!("{sign}{significant}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn what_means_the_same_is_the_same_text() {
        let same = [
            (r#"{"b":1,"a":[]}"#, r#"{ "a": [ ], "b": 1.0 }"#),
            ("1e3", "1000"),
            ("1.10", "1.1"),
            ("-0", "0.00"),
            ("12345678901234567890123", "12345678901234567890123.0"),
            (r#""é/""#, r#""\u00e9\/""#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("{}", "{ }"),
            (r#"[{},{"x":{}}]"#, r#"[ {}, {"x": { }} ]"#),
        ];
        for (one, other) in same {
            assert_eq!(canonical(one).unwrap(), canonical(other).unwrap());
            assert!(serde_json::from_str::<serde_json::Value>(&canonical(one).unwrap()).is_ok(), "{one}");
        }
    }

    #[test]
    fn what_differs_is_another_text() {
        let texts = [
            "1",
            "-1",
            "\"1\"",
            "10",
            "0.1",
            "null",
            "true",
            "[]",
            "{}",
            "[1]",
            r#"{"1":1}"#,
            "12345678901234567890123",
            "12345678901234567890124",
            "0",
        ];
        for (index, one) in texts.iter().enumerate() {
            for other in &texts[index + 1..] {
                assert_ne!(canonical(one), canonical(other), "{one} {other}");
            }
        }
        assert_eq!(canonical("{"), None);
        assert_eq!(canonical(&"[".repeat(100_000)), None);
        assert_eq!(canonical(&format!("{}{}", "[".repeat(300), "]".repeat(300))), None);
    }
}
