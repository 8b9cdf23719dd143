//! The host functions by name: what they take and give. Natives, documentation and advice are held to it by tests.

use crate::core::text;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A text.
    Text,
    /// Whatever has a JSON form.
    Any,
}

/// A host function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// Names of the parameters.
    pub(super) parameters: &'static [(&'static str, Takes)],
}

impl Signature {
    /// `name(first, second)`.
    pub(super) fn shown(&self) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| *name).collect();
        format!("{}({})", self.name, names.join(", "))
    }
}

macro_rules! signatures {
    ($($name:ident($($parameter:ident: $takes:ident),*);)*) => {
        /// Every host function.
        pub(super) const HOST_FUNCTIONS: &[Signature] = &[$(Signature {
            name: stringify!($name),
            parameters: &[$((stringify!($parameter), Takes::$takes)),*],
        }),*];
    };
}

signatures! {
    json_get(json: Text, path: Text);
    json_array_len(json: Text, path: Text);
    json_parse(json: Text);
    json_stringify(value: Any);
    http_get(url: Text);
    http_post(url: Text, body: Text, content_type: Text);
    http_post_with_headers(url: Text, body: Text, content_type: Text, headers_json: Text);
    http_post_bytes(url: Text, base64: Text);
    http_request(method: Text, url: Text, body: Text, headers_json: Text);
    http_request_with_cert(method: Text, url: Text, body: Text, content_type: Text, cert_json: Text);
    smtp_send(config_json: Text, email_json: Text);
    smtp_try(config_json: Text, email_json: Text);
    smtp_check(config_json: Text);
    grpc_call(base_url: Text, method: Text, request_json: Text, headers_json: Text);
    state_get(key: Text);
    state_set(key: Text, value: Text);
    state_claim(key: Text, value: Text);
    state_delete(key: Text);
    md5_hex(text: Text);
    sha256_hex(text: Text);
    hmac_sha256_hex(key: Text, text: Text);
    base64_encode(text: Text);
    base64_decode(text: Text);
    url_encode(text: Text);
    html_escape(text: Text);
    form_parse(text: Text);
    constant_time_equals(one: Text, other: Text);
    random_hex(bytes: Any);
    now();
    now_unix();
    sleep_ms(milliseconds: Any);
    fail(message: Text);
    log_info(text: Text);
    log_warn(text: Text);
    log_error(text: Text);
}

/// The function with this name.
pub(super) fn find(name: &str) -> Option<&'static Signature> {
    HOST_FUNCTIONS.iter().find(|signature| signature.name == name)
}

/// The function whose name is most like this one, where one is like it at all.
pub(super) fn nearest(name: &str) -> Option<&'static Signature> {
    /// How alike two names must be, from 0 to 1.
    const ALIKE_MIN: f64 = 0.75;
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let known = HOST_FUNCTIONS.iter().map(|signature| signature.name);
    text::nearest(name, known, ALIKE_MIN, plain).and_then(find)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natives_and_this_table_name_the_same_functions() {
        let natives = concat!(include_str!("natives.rs"), include_str!("pause.rs"));
        for signature in HOST_FUNCTIONS {
            assert!(natives.contains(&format!("\"{}\"", signature.name)), "{} is no native", signature.name);
        }
        let code = natives.replace(char::is_whitespace, "");
        let registered = code.split(".function(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let forgotten: Vec<&str> = registered.filter(|name| find(name).is_none()).collect();
        assert!(forgotten.is_empty(), "they have no signature: {forgotten:?}");
    }

    #[test]
    fn the_nearest_name() {
        let near = |name| nearest(name).map(Signature::shown);
        assert_eq!(near("jsonGet"), Some("json_get(json, path)".into()));
        assert_eq!(near("http_requst"), Some("http_request(method, url, body, headers_json)".into()));
        assert_eq!(near("fly"), None);
    }
}
