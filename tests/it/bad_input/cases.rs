//! What may come in through a field: one value at a time in a request that is good otherwise.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

/// A request to be sent.
#[derive(Clone)]
pub(super) struct Case {
    /// The field and the value, for the message of a failure.
    pub(super) label: String,
    pub(super) bytes: Bytes,
    /// A text that is data like any other: whoever accepts it must give it back as it was.
    pub(super) kept: Option<(String, &'static str)>,
}

/// Stands for bytes that are no UTF-8, which a text can't hold; replaced in the encoded message.
const NO_UTF8: &str = "@no-utf8@";
/// Elements of a list, more than any request takes.
const MANY: usize = 600;

/// Texts that are data like any other, however they look.
const HARMLESS: [&str; 3] =
    ["'; DROP TABLE orders; --", "<script>alert(1)</script>", "\u{5d0}\u{202e}b\u{200b} e\u{301} \u{1f600} \u{fffd}"];
const TEXTS: [&str; 6] = [
    "",
    "a\0b",
    "\u{7}\u{1b}[2J\u{9b}0m\u{7f}",
    "99999999999999999999999999999999999999999999",
    "no such word",
    NO_UTF8,
];
const AMOUNTS: [&str; 11] =
    ["-1", "1e5", "0.001", "NaN", "Infinity", "99999999999999", "\u{ff11}\u{ff12}", "+1", "1,00", ".5", "-0.00"];
const IDS: [&str; 4] = [
    "42",
    "00000000-0000-0000-0000-000000000000",
    "0198a000-0000-7000-8000-000000000000",
    "{0198a000-0000-7000-8000-000000000000}",
];
const DATES: [&str; 6] = ["2026-02-30", "9999-12-31", "0001-01-01", "-5", "2026-1-1", "+262142-12-31"];
const JSON: [&str; 8] = [
    "{",
    "null",
    "[]",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1e999}",
    "{\"\\u0000\":\"\\u0000\"}",
    "\"\\ud800\"",
    "{\"a\":-0.0,\"b\":18446744073709551616}",
];

/// The values for a text field with this name.
fn texts(name: &str) -> Vec<String> {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let mut values: Vec<String> = HARMLESS.iter().chain(&TEXTS).map(|&text| text.to_owned()).collect();
    values.push("a".repeat(1_000_000));
    values.push("\u{301}".repeat(5_000));
    let mut add = |texts: &[&str]| values.extend(texts.iter().map(|&text| text.to_owned()));
    if has(&["amount", "price", "limit", "ratio", "cycles", "specs"]) {
        add(&AMOUNTS);
    }
    if name == "id" || has(&["_id"]) {
        add(&IDS);
    }
    if has(&["date", "period"]) {
        add(&DATES);
    }
    if has(&["json", "payload", "source"]) {
        add(&JSON);
        values.push("[".repeat(100_000));
        values.push(format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000)));
    }
    values
}

/// The values for a single field.
fn values(field: &FieldDescriptor, current: &Value) -> Vec<(String, Value, Option<&'static str>)> {
    let plain = |value: Value| (format!("{value:?}"), value, None);
    match field.kind() {
        Kind::String => texts(field.name())
            .into_iter()
            .map(|text| {
                let kept = HARMLESS.into_iter().find(|harmless| *harmless == text);
                (format!("{text:.40?}"), Value::String(text), kept)
            })
            .collect(),
        Kind::Bool => [true, false].map(|value| plain(Value::Bool(value))).into(),
        Kind::Uint32 => [0, 1, u32::MAX, u32::MAX / 2].map(|value| plain(Value::U32(value))).into(),
        Kind::Uint64 => [0, 1, u64::MAX].map(|value| plain(Value::U64(value))).into(),
        Kind::Int32 => [0, 1, -1, i32::MAX, i32::MIN].map(|value| plain(Value::I32(value))).into(),
        Kind::Int64 => [0, 1, -1, i64::MAX, i64::MIN].map(|value| plain(Value::I64(value))).into(),
        Kind::Message(_) => {
            let message = current.as_message().unwrap();
            changes(message)
                .into_iter()
                .map(|(label, changed, kept)| (label, Value::Message(changed), kept.map(|(_, text)| text)))
                .collect()
        }
        other => panic!("{} is {other:?}, for which this test has no values", field.full_name()),
    }
}

/// The value of a field with the kind's own default, where there is none.
fn element(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Message(message) => Value::Message(DynamicMessage::new(message)),
        Kind::String => Value::String(String::new()),
        other => panic!("{} holds {other:?}, for which this test has no values", field.full_name()),
    }
}

type Change = (String, DynamicMessage, Option<(String, &'static str)>);

/// The message with each of its fields changed in each way.
fn changes(message: &DynamicMessage) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    for field in message.descriptor().fields() {
        let name = field.name().to_owned();
        let current = message.get_field(&field).into_owned();
        let mut put = |label: String, value: Value, kept: Option<&'static str>| {
            let mut changed = message.clone();
            changed.set_field(&field, value);
            found.push((format!("{name}={label}"), changed, kept.map(|text| (name.clone(), text))));
        };
        if field.is_map() {
            for text in texts(&name) {
                let (key, other) = (MapKey::String(text.clone()), MapKey::String("region".to_owned()));
                let value = Value::String(text.clone());
                put(
                    format!("{{{text:.40?}: 1}}"),
                    Value::Map(HashMap::from([(key, Value::String("1".to_owned()))])),
                    None,
                );
                put(format!("{{region: {text:.40?}}}"), Value::Map(HashMap::from([(other, value)])), None);
            }
            let many = (0..MANY).map(|index| (MapKey::String(format!("key{index}")), Value::String("1".to_owned())));
            put("many".to_owned(), Value::Map(many.collect()), None);
        } else if field.is_list() {
            let first = current.as_list().and_then(|list| list.first().cloned()).unwrap_or_else(|| element(&field));
            put("[]".to_owned(), Value::List(Vec::new()), None);
            put("twice".to_owned(), Value::List(vec![first.clone(), first.clone()]), None);
            put("many".to_owned(), Value::List(vec![first.clone(); MANY]), None);
            for (label, value, _) in values(&field, &first) {
                put(format!("[{label}]"), Value::List(vec![value]), None);
            }
        } else {
            for (label, value, kept) in values(&field, &current) {
                put(label, value, kept);
            }
            let mut without = message.clone();
            without.clear_field(&field);
            found.push((format!("{name} is missing"), without, None));
        }
    }
    found
}

/// Every case of a request.
pub(super) fn of(message: &DynamicMessage) -> Vec<Case> {
    let mut cases: Vec<Case> = changes(message)
        .into_iter()
        .map(|(label, changed, kept)| Case { label, bytes: without_utf8(changed.encode_to_vec()).into(), kept })
        .collect();
    let good = message.encode_to_vec();
    for length in [1, good.len() / 3, good.len() / 2, good.len().saturating_sub(1)] {
        let bytes = good.get(..length).unwrap_or_default().to_vec().into();
        cases.push(Case { label: format!("its first {length} bytes"), bytes, kept: None });
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in [1, 2, 5, 20, 100, 1000] {
        let bytes = (0..length).map(|_| noise(&mut state)).collect::<Vec<u8>>().into();
        cases.push(Case { label: format!("{length} bytes of noise"), bytes, kept: None });
    }
    // Messages within messages, deeper than any that is meant: field 1, as long as what is left.
    let nested = (0..200).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    });
    cases.push(Case { label: "nested 200 times".to_owned(), bytes: nested.into(), kept: None });
    cases
}

/// The same bytes in each run (xorshift64).
fn noise(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.to_be_bytes()[3]
}

fn without_utf8(mut bytes: Vec<u8>) -> Vec<u8> {
    while let Some(at) = bytes.windows(NO_UTF8.len()).position(|window| window == NO_UTF8.as_bytes()) {
        for byte in bytes.iter_mut().skip(at).take(NO_UTF8.len()) {
            *byte = 0xff;
        }
    }
    bytes
}
