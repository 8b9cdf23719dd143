//! What a customer may choose of a server: the provider's spec template, the product's fixed values, the wish.
//!
//! The product's values are what was priced; a wish may repeat them but not change them. What the product leaves open
//! may be chosen within the template. Anything else is refused: the values travel to the provider's script beside its
//! own settings, so an unknown name is not taken on trust.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use super::Specs;
use crate::core::{
    error::{Error, Result},
    text,
};

/// Characters of a value.
const VALUE_MAX: usize = 500;
/// Values of a server.
const VALUES_MAX: usize = 100;

/// A provider's template: fields, alone or in groups.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Fields without a group.
    pub fields: Vec<Field>,
    /// Groups of fields.
    pub groups: Vec<Group>,
}

/// A group of fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Its name for scripts.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// The name of a picture.
    pub icon: String,
    /// Its place.
    #[serde(deserialize_with = "lenient_integer")]
    pub display_order: Option<i64>,
    /// What is in it.
    pub fields: Vec<Field>,
}

/// Something that can be chosen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Field {
    /// Its name for scripts.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// How it is chosen, in any letter case.
    pub field_type: String,
    /// Whether it must have a value.
    pub required: bool,
    /// Its place.
    #[serde(deserialize_with = "lenient_integer")]
    pub display_order: Option<i64>,
    /// The values of a choice.
    pub options: Vec<Choice>,
    /// The least number.
    #[serde(deserialize_with = "lenient_integer")]
    pub min: Option<i64>,
    /// The greatest number.
    #[serde(deserialize_with = "lenient_integer")]
    pub max: Option<i64>,
    /// The distance between numbers, counted from `min`.
    #[serde(deserialize_with = "lenient_integer")]
    pub step: Option<i64>,
    /// The value where nothing is chosen.
    #[serde(deserialize_with = "lenient_text")]
    pub default_value: Option<String>,
    /// What the number counts.
    pub unit: String,
    /// What the customer reads.
    pub description: String,
    /// The name of a picture.
    pub icon: String,
    /// The group that it belongs to.
    pub group: String,
    /// What it does to the price, for people; what an order costs is the product's price alone.
    pub price_impact: Option<PriceImpact>,
}

/// How a value changes the price, as the provider tells it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PriceImpact {
    /// `add` or `multiply`.
    pub mode: String,
    /// What to add or multiply by.
    #[serde(deserialize_with = "lenient_text")]
    pub amount: Option<String>,
    /// The currency of that.
    pub currency: String,
}

/// A value of a choice.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// The value.
    pub value: String,
    /// What people read.
    pub label: String,
    /// The name of a picture.
    pub icon: String,
    /// What the customer reads.
    pub description: String,
    /// What it does to the price, for people.
    #[serde(deserialize_with = "lenient_text")]
    pub price_modifier: Option<String>,
    /// Whether it can't be chosen now.
    pub disabled: bool,
}

/// Script authors write numbers as numbers or as texts.
fn lenient_integer<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => text.trim().parse().map(Some).map_err(serde::de::Error::custom),
        other => other.as_i64().map(Some).ok_or_else(|| serde::de::Error::custom("expected an integer")),
    }
}

fn lenient_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

impl Template {
    /// Reads what a provider's `spec_template` answered.
    ///
    /// # Errors
    /// `plugin.spec_template` for what has another form.
    pub fn read(answer: Value) -> Result<Self> {
        serde_json::from_value(answer).map_err(|cause| {
            Error::internal("plugin.spec_template", "the provider's spec template has another form than documented")
                .caused_by(cause)
        })
    }

    /// Every field, grouped or not.
    pub fn all_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().chain(self.groups.iter().flat_map(|group| &group.fields))
    }
}

/// Completes a wish with the product's values and the template's defaults, and checks the result.
///
/// # Errors
/// `spec.fixed` for a value that the product fixes otherwise; `spec.unknown` for a name that neither knows;
/// `spec.missing` and `spec.value` for what the template refuses. Each names the field.
pub fn complete(template: &Template, product: &Specs, wish: &Specs) -> Result<Specs> {
    if wish.len() > VALUES_MAX {
        return Err(Error::invalid(
            "spec.value",
            format!("`server_spec` has {} values, at most {VALUES_MAX} are allowed", wish.len()),
        ));
    }
    let fields: BTreeMap<&str, &Field> = template.all_fields().map(|field| (field.key.as_str(), field)).collect();
    let mut spec = product.clone();
    for (key, value) in wish {
        match product.get(key) {
            Some(fixed) if fixed == value => {}
            Some(fixed) => {
                return Err(Error::invalid(
                    "spec.fixed",
                    format!(
                        "`server_spec.{key}` is `{}`, the product has `{fixed}`",
                        text::shown(value, text::SHOWN_MAX)
                    ),
                ));
            }
            None if fields.contains_key(key.as_str()) => {
                spec.insert(key.clone(), value.clone());
            }
            None => {
                let known: Vec<&str> = fields.keys().copied().chain(product.keys().map(String::as_str)).collect();
                let known = if known.is_empty() {
                    "nothing can be chosen".to_owned()
                } else {
                    format!("expected one of: {}", known.join(", "))
                };
                return Err(Error::invalid(
                    "spec.unknown",
                    format!("`server_spec.{}` is unknown, {known}", text::shown(key, text::SHOWN_MAX)),
                ));
            }
        }
    }
    for field in fields.values() {
        if let Some(default) = &field.default_value
            && spec.get(&field.key).is_none_or(String::is_empty)
            && !default.is_empty()
        {
            spec.insert(field.key.clone(), default.clone());
        }
        match spec.get(&field.key).filter(|value| !value.is_empty()) {
            Some(value) => check(field, value)?,
            None if field.required => {
                return Err(Error::invalid("spec.missing", format!("`server_spec.{}` is missing", field.key)));
            }
            None => {}
        }
    }
    Ok(spec)
}

fn check(field: &Field, value: &str) -> Result<()> {
    let refuse = |expected: String| {
        Err(Error::invalid(
            "spec.value",
            format!("`server_spec.{}` is `{}`, expected {expected}", field.key, text::shown(value, text::SHOWN_MAX)),
        ))
    };
    if value.chars().count() > VALUE_MAX || value.chars().any(char::is_control) {
        return refuse(format!("at most {VALUE_MAX} characters without control characters"));
    }
    match field.field_type.to_lowercase().as_str() {
        "slider" | "integer" => match value.parse::<i64>() {
            Ok(number) => check_number(field, value, Decimal::from(number)),
            Err(_) => refuse("a whole number".to_owned()),
        },
        "number" => match value.parse::<Decimal>() {
            Ok(number) => check_number(field, value, number),
            Err(_) => refuse("a number".to_owned()),
        },
        "boolean" => match value {
            "true" | "false" => Ok(()),
            _ => refuse("true or false".to_owned()),
        },
        "select" | "radio" | "region" | "os_options" if !field.options.is_empty() => {
            if field.options.iter().any(|option| option.value == value && !option.disabled) {
                return Ok(());
            }
            let offered: Vec<&str> =
                field.options.iter().filter(|option| !option.disabled).map(|option| option.value.as_str()).collect();
            refuse(format!("one of: {}", offered.join(", ")))
        }
        _ => Ok(()),
    }
}

fn check_number(field: &Field, value: &str, number: Decimal) -> Result<()> {
    let refuse = |expected: String| {
        Err(Error::invalid(
            "spec.value",
            format!("`server_spec.{}` is `{}`, expected {expected}", field.key, text::shown(value, text::SHOWN_MAX)),
        ))
    };
    if let Some(min) = field.min
        && number < Decimal::from(min)
    {
        return refuse(format!("at least {min}"));
    }
    if let Some(max) = field.max
        && number > Decimal::from(max)
    {
        return refuse(format!("at most {max}"));
    }
    if let Some(step) = field.step.filter(|step| *step > 1) {
        let start = field.min.unwrap_or(0);
        let above = number.checked_sub(Decimal::from(start)).and_then(|above| above.checked_rem(Decimal::from(step)));
        if !above.is_some_and(|rest| rest.is_zero()) {
            return refuse(format!("{start} or more in steps of {step}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Template {
        Template::read(json!({
            "fields": [
                { "key": "region", "field_type": "SELECT", "required": true, "options": [{ "value": "eu" }, { "value": "us", "disabled": true }] },
                { "key": "share", "field_type": "number", "min": -7, "step": 2 },
                { "key": "disk_gb", "field_type": "slider", "min": 10, "max": "100", "step": 10, "default_value": 20 }
            ],
            "groups": [{ "key": "os", "fields": [{ "key": "os", "field_type": "os_options", "options": [] }, { "key": "ipv6", "field_type": "boolean" }] }]
        }))
        .unwrap()
    }

    fn specs(pairs: &[(&str, &str)]) -> Specs {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_wish_is_completed_from_the_product_and_the_template() {
        let spec =
            complete(&template(), &specs(&[("cpu_cores", "2"), ("region", "eu")]), &specs(&[("os", "debian-12")]))
                .unwrap();
        assert_eq!(spec, specs(&[("cpu_cores", "2"), ("region", "eu"), ("os", "debian-12"), ("disk_gb", "20")]));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let product = specs(&[("cpu_cores", "2")]);
        for (wish, code) in [
            (&[("cpu_cores", "8"), ("region", "eu")][..], "spec.fixed"),
            (&[("api_url", "http://evil"), ("region", "eu")], "spec.unknown"),
            (&[], "spec.missing"),
            (&[("region", "us")], "spec.value"),
            (&[("region", "eu"), ("disk_gb", "25")], "spec.value"),
            (&[("region", "eu"), ("disk_gb", "110")], "spec.value"),
            (&[("region", "eu"), ("disk_gb", "many")], "spec.value"),
            (&[("region", "eu"), ("ipv6", "maybe")], "spec.value"),
            (&[("region", "eu"), ("share", "79228162514264337593543950335")], "spec.value"),
        ] {
            assert_eq!(complete(&template(), &product, &specs(wish)).unwrap_err().code(), code, "{wish:?}");
        }
    }
}
