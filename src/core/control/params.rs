//! The parameters of an action: what a caller gives to a provider's script.

use serde_json::{Map, Value};

use crate::core::{
    error::{Error, Result},
    plugins::Interface,
};

/// Bytes of the parameters.
const PARAMS_MAX: usize = 16 * 1024;
/// How many parameters there may be.
const COUNT_MAX: usize = 50;
/// Characters of a parameter's name.
const NAME_MAX: usize = 100;

/// Reads the parameters; an empty text is none.
///
/// # Errors
/// `instance.params` for what is no JSON object, or too long.
pub(super) fn read(text: &str) -> Result<Map<String, Value>> {
    let refused = |problem: String| Error::invalid("instance.params", format!("`params_json` {problem}"));
    if text.len() > PARAMS_MAX {
        return Err(refused(format!("has {} bytes, at most {PARAMS_MAX} are allowed", text.len())));
    }
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let value = serde_json::from_str(text)
        .map_err(|cause| refused(format!("is no JSON: line {}, column {}", cause.line(), cause.column())))?;
    let Value::Object(fields) = value else {
        return Err(refused("is no JSON object, expected one such as `{\"os\": \"debian-13\"}`".to_owned()));
    };
    if fields.len() > COUNT_MAX {
        return Err(refused(format!("has {} fields, at most {COUNT_MAX} are allowed", fields.len())));
    }
    let is_fit =
        |name: &String| !name.is_empty() && name.chars().count() <= NAME_MAX && !name.chars().any(char::is_control);
    if !fields.keys().all(is_fit) {
        return Err(refused(format!(
            "has a field whose name is empty, longer than {NAME_MAX} characters, or holds control characters"
        )));
    }
    Ok(fields)
}

/// Puts them into the fields of a call: all under `params`, and each under its own name, unless that is the name of one
/// of our fields or of a setting. A caller must not choose where a script sends its password, for one.
pub(super) fn add(business: &mut Map<String, Value>, interface: &Interface, params: Map<String, Value>) {
    business.remove("params");
    for (name, value) in &params {
        if name != "params" && !interface.has_setting(name) {
            business.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    business.insert("params".to_owned(), Value::Object(params));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_a_small_object() {
        assert!(read("").unwrap().is_empty());
        assert_eq!(read(" {\"os\": 1} ").unwrap()["os"], 1);
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(PARAMS_MAX));
        let many = serde_json::to_string(
            &(0..=COUNT_MAX).map(|n| (n.to_string(), n)).collect::<std::collections::BTreeMap<_, _>>(),
        )
        .unwrap();
        for bad in ["[]", "1", "{", "null", "\"{}\"", "{\"\":1}", "{\"a\\u0000\":1}", &long, &many] {
            assert_eq!(read(bad).unwrap_err().code(), "instance.params", "{bad:.50}");
        }
    }
}
