//! Rune values as JSON, with bounds that keep a hostile value from overflowing the stack or filling the pipe.

use rune::TypeHash as _;
use rune::alloc::String as RuneString;
use rune::runtime::{Bytes, Future, Object, OwnedTuple, RuntimeError, Value, Vec as RuneVec};
use serde_json::{Map, Value as Json};

use super::error::Returned;

/// How deep a value may nest.
const DEPTH_MAX: usize = 64;

/// How many values, counting every element and field, one conversion may visit.
const NODES_MAX: usize = 100_000;

/// How many bytes of text one conversion may copy. Inside Rune a hundred thousand elements can share one long text;
/// outside each is a copy, which no counter of Rune's sees.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// What a conversion may still use.
struct Room {
    nodes: usize,
    text_bytes: usize,
}

impl Room {
    fn text(&mut self, text: &str) -> Result<String, String> {
        let left = self.text_bytes.checked_sub(text.len());
        self.text_bytes =
            left.ok_or_else(|| format!("its texts have more than {TEXT_BYTES_MAX} bytes; return less"))?;
        Ok(text.to_owned())
    }
}

/// Converts what a function returned. A `Result` is understood at the top only; `Some(x)` is `x`, `None` is null.
pub(super) fn to_returned(value: &Value) -> Result<Returned, String> {
    if let Ok(result) = value.borrow_ref::<Result<Value, Value>>() {
        return Ok(match &*result {
            Ok(inner) => Returned::Ok(to_json(inner)?),
            Err(inner) => Returned::Err(to_json(inner)?),
        });
    }
    Ok(Returned::Plain(to_json(value)?))
}

/// Converts a value that holds no `Result`.
pub(super) fn to_json(value: &Value) -> Result<Json, String> {
    convert(value, DEPTH_MAX, &mut Room { nodes: NODES_MAX, text_bytes: TEXT_BYTES_MAX })
}

fn convert(value: &Value, depth: usize, room: &mut Room) -> Result<Json, String> {
    let left = room.nodes.checked_sub(1);
    room.nodes = left.ok_or_else(|| format!("it has more than {NODES_MAX} elements; return less"))?;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("it nests more than {DEPTH_MAX} levels deep or contains itself; flatten it"));
    };
    let broken = |error: RuntimeError| format!("it cannot be read: {error}");
    match value.type_hash() {
        RuneString::HASH => {
            let text = value.borrow_string_ref().map_err(broken)?;
            room.text(&text).map(Json::String)
        }
        bool::HASH => rune::from_value::<bool>(value.clone()).map(Json::Bool).map_err(broken),
        i64::HASH => value.as_integer::<i64>().map(Json::from).map_err(broken),
        u64::HASH => value.as_integer::<u64>().map(Json::from).map_err(broken),
        f64::HASH => {
            let number = rune::from_value::<f64>(value.clone()).map_err(broken)?;
            let json = serde_json::Number::from_f64(number).map(Json::Number);
            json.ok_or_else(|| format!("`{number}` is no JSON number; check the division that made it"))
        }
        char::HASH => {
            let letter = rune::from_value::<char>(value.clone()).map_err(broken)?;
            Ok(Json::String(letter.to_string()))
        }
        Option::<Value>::HASH => {
            let option = value.borrow_ref::<Option<Value>>().map_err(broken)?;
            match &*option {
                Some(inner) => convert(inner, depth, room),
                None => Ok(Json::Null),
            }
        }
        RuneVec::HASH => {
            let list = value.borrow_ref::<RuneVec>().map_err(broken)?;
            list.iter().map(|item| convert(item, depth, room)).collect()
        }
        Object::HASH => {
            let object = value.borrow_ref::<Object>().map_err(broken)?;
            let fields = object.iter().map(|(key, item)| Ok((room.text(key.as_str())?, convert(item, depth, room)?)));
            fields.collect::<Result<Map<_, _>, String>>().map(Json::Object)
        }
        _ if value.into_unit().is_ok() => Ok(Json::Null),
        OwnedTuple::HASH => {
            let tuple = value.borrow_ref::<OwnedTuple>().map_err(broken)?;
            tuple.iter().map(|item| convert(item, depth, room)).collect()
        }
        Future::HASH => Err("it is a future: an async function was called without `.await`".to_owned()),
        Result::<Value, Value>::HASH => {
            Err("it holds `Ok(..)` or `Err(..)` inside another value; only the returned value itself may be one".into())
        }
        _ if ["ParseIntError", "ParseFloatError"].iter().any(|name| value.type_info().to_string().contains(name)) => {
            Err("a text was read as a number and is none; write `.parse::<i64>().unwrap_or(0)`, or look with `is_ok()`, in \
                 place of `?`"
                .to_owned())
        }
        Bytes::HASH => Err("it holds bytes; return text, for example base64".to_owned()),
        _ => Err(format!(
            "it holds a `{}`, which has no JSON form; return strings, numbers, booleans, arrays or objects",
            value.type_info()
        )),
    }
}

/// Converts JSON to a value that scripts can read and change; null becomes a unit.
pub(super) fn from_json(json: &Json) -> Result<Value, RuntimeError> {
    match json {
        Json::Null => rune::to_value(()),
        Json::Bool(flag) => rune::to_value(*flag),
        Json::String(text) => rune::to_value(RuneString::try_from(text.as_str())?),
        // Whole numbers beyond 64 bits signed lose precision rather than their sign.
        Json::Number(number) => match number.as_i64() {
            Some(whole) => rune::to_value(whole),
            None => rune::to_value(number.as_f64().unwrap_or(f64::MAX)),
        },
        Json::Array(items) => {
            let mut list = RuneVec::new();
            for item in items {
                list.push(from_json(item)?)?;
            }
            rune::to_value(list)
        }
        Json::Object(fields) => {
            let mut object = Object::new();
            for (key, item) in fields {
                object.insert(RuneString::try_from(key.as_str())?, from_json(item)?)?;
            }
            rune::to_value(object)
        }
    }
}
