//! Calls of another RustBill over gRPC-Web, for scripts: JSON in, JSON out, protobuf on the wire.
//!
//! Only the services that this program itself serves can be called, since only their messages are known. The answer
//! of the other server, an error too, is a value for the script; that there was none ends the script's call, so that
//! whoever asked the script knows that it has to ask again.

use std::{io, sync::LazyLock};

use bytes::{BufMut as _, Bytes, BytesMut};
use percent_encoding::percent_decode;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
    prost::Message as _,
};
use serde_json::json;

use super::{HostApi, http::header_list};
use crate::core::http::{Request, Response};

/// The protocol as it is compiled: every message and service.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Bytes of a request's message.
const MESSAGE_MAX: usize = 1024 * 1024;
/// Bytes of an answer in JSON, which is many times as long as what came: in JSON a message of two bytes has all its
/// fields. A script could not be given more anyway.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// Characters of an error's text that a script is given.
const WORDS_MAX: usize = 1_000;
/// Bytes before each frame: a flag, and the length.
const FRAME_HEAD: usize = 5;
/// The flag of a frame that is compressed. Nobody asked for that.
const COMPRESSED: u8 = 0x01;
/// The flag of the frame with the trailers.
const TRAILERS: u8 = 0x80;
/// Headers that belong to the protocol.
const OWN_HEADERS: [&str; 4] = ["content-type", "accept", "x-grpc-web", "te"];
/// The protocol's name.
const CONTENT_TYPE: &str = "application/grpc-web+proto";
/// The words of the status codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).ok());

impl HostApi {
    /// `method` is such as `rustbill.order.OrderService/GetOrder`.
    pub(super) async fn grpc_call(
        &self,
        base_url: &str,
        method: &str,
        request: &str,
        headers: &str,
    ) -> Result<String, String> {
        let descriptor = find(method)?;
        let body = framed(&descriptor.input(), request)?;
        let mut headers = header_list(headers)?;
        if let Some((name, _)) = headers.iter().find(|(name, _)| OWN_HEADERS.contains(&name.to_lowercase().as_str())) {
            return Err(format!("the header `{name}` can't be set"));
        }
        headers.push(("content-type".to_owned(), CONTENT_TYPE.to_owned()));
        headers.push(("accept".to_owned(), CONTENT_TYPE.to_owned()));
        headers.push(("x-grpc-web".to_owned(), "1".to_owned()));
        let url = format!("{}/{method}", base_url.trim_end_matches('/'));
        let request = Request { method: "POST", url: &url, headers, body };
        let response = self.http.send(request).await.map_err(|error| super::words(&error))?;
        read(&descriptor.output(), &response)
    }
}

fn find(name: &str) -> Result<MethodDescriptor, String> {
    let pool = POOL.as_ref().ok_or("the protocol can't be read")?;
    let found = name
        .split_once('/')
        .and_then(|(service, rpc)| pool.get_service_by_name(service)?.methods().find(|method| method.name() == rpc))
        .filter(|method| !method.is_client_streaming() && !method.is_server_streaming());
    found.ok_or_else(|| {
        format!("there is no call `{name}`, expected one such as `rustbill.order.OrderService/GetOrder`")
    })
}

/// The message of a request in its frame. The message itself is not shown in errors: it may hold secrets.
fn framed(input: &MessageDescriptor, json: &str) -> Result<Bytes, String> {
    let name = input.full_name();
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(input.clone(), &mut deserializer, &options)
        .and_then(|message| deserializer.end().map(|()| message))
        .map_err(|cause| format!("the request is no `{name}` in JSON: {}", told(&cause)))?;
    let length = message.encoded_len();
    let head = u32::try_from(length).ok().filter(|_| length <= MESSAGE_MAX);
    let head = head.ok_or_else(|| format!("the request has {length} bytes, at most {MESSAGE_MAX} are allowed"))?;
    let mut body = BytesMut::with_capacity(FRAME_HEAD + length);
    body.put_u8(0);
    body.put_u32(head);
    message.encode(&mut body).map_err(|cause| format!("the request can't be written: {cause}"))?;
    Ok(body.freeze())
}

/// What is wrong with a request: the name of a field that is not known, else only the place, since other causes quote
/// the value.
fn told(cause: &serde_json::Error) -> String {
    let words = cause.to_string();
    if words.starts_with("unrecognized field name") {
        return words;
    }
    format!("line {}, column {}", cause.line(), cause.column())
}

/// What a call came to.
#[derive(Debug, Default)]
struct Outcome {
    code: Option<usize>,
    message: String,
    error_code: String,
}

impl Outcome {
    /// Notes a field of the trailers, or of the headers where there are no trailers.
    fn note(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "grpc-status" => self.code = value.trim().parse().ok(),
            "grpc-message" => {
                let words = percent_decode(value.trim().as_bytes()).decode_utf8_lossy();
                self.message = words.chars().take(WORDS_MAX).collect();
            }
            "error-code" => self.error_code = value.trim().chars().take(WORDS_MAX).collect(),
            _ => {}
        }
    }
}

fn read(output: &MessageDescriptor, response: &Response) -> Result<String, String> {
    let no_grpc = |what: &str| format!("the server answered with HTTP status {} and {what}", response.status);
    let mut outcome = Outcome::default();
    for (name, value) in &response.headers {
        outcome.note(name, value);
    }
    let is_web = response
        .headers
        .iter()
        .any(|(name, value)| name == "content-type" && value.starts_with("application/grpc-web"));
    let mut data = None;
    if is_web {
        data = frames(&response.body, &mut outcome).map_err(|what| no_grpc(&what))?;
    }
    let Some(code) = outcome.code else {
        return Err(no_grpc("no gRPC-Web; is the address that of a RustBill?"));
    };
    let status = CODES.get(code).copied().unwrap_or("UNKNOWN");
    let Outcome { message, error_code, .. } = outcome;
    if code != 0 {
        return Ok(json!({ "code": code, "status": status, "message": message, "error_code": error_code }).to_string());
    }
    let data = data.ok_or_else(|| no_grpc("success without a message"))?;
    let message = DynamicMessage::decode(output.clone(), data)
        .map_err(|cause| no_grpc(&format!("no `{}`: {cause}", output.full_name())))?;
    let body = body(&message).map_err(|cause| no_grpc(&format!("a message that can't be told: {cause}")))?;
    Ok(format!(r#"{{"code":0,"status":"OK","message":"","error_code":"","body":{body}}}"#))
}

/// A message as JSON text, written into bounded space and not made as values first.
fn body(message: &DynamicMessage) -> Result<String, String> {
    let options = SerializeOptions::new().skip_default_fields(false).use_proto_field_name(true);
    let mut text = Bounded(Vec::new());
    let mut serializer = serde_json::Serializer::new(&mut text);
    message.serialize_with_options(&mut serializer, &options).map_err(|cause| cause.to_string())?;
    String::from_utf8(text.0).map_err(|cause| cause.to_string())
}

/// Takes [`ANSWER_MAX`] bytes and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > ANSWER_MAX {
            return Err(io::Error::other(format!("in JSON it has more than the {ANSWER_MAX} bytes that are allowed")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The message among the frames, and the trailers noted.
fn frames(body: &[u8], outcome: &mut Outcome) -> Result<Option<Bytes>, String> {
    let cut = || "a frame that is cut off".to_owned();
    let mut data = None;
    let mut rest = body;
    while let Some((&flag, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
        let (frame, after) = after.split_at_checked(length).ok_or_else(cut)?;
        match flag {
            TRAILERS => {
                for line in String::from_utf8_lossy(frame).lines() {
                    if let Some((name, value)) = line.split_once(':') {
                        outcome.note(name.trim(), value);
                    }
                }
            }
            0 if data.is_none() => data = Some(Bytes::copy_from_slice(frame)),
            0 => return Err("more than one message".to_owned()),
            flag if flag & COMPRESSED != 0 => return Err("a compressed frame".to_owned()),
            flag => return Err(format!("a frame of the unknown kind {flag}")),
        }
        rest = after;
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: Bytes::copy_from_slice(body), peer: None }
    }

    fn frame(flag: u8, content: &[u8]) -> Vec<u8> {
        [&[flag][..], &u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }

    fn parsed(answer: &str) -> serde_json::Value {
        serde_json::from_str(answer).unwrap()
    }

    const WEB: (&str, &str) = ("content-type", CONTENT_TYPE);

    #[test]
    fn only_calls_of_the_protocol_are_known() {
        assert!(find("rustbill.order.OrderService/CreateOrder").is_ok());
        for bad in [
            "rustbill.order.OrderService/Nothing",
            "OrderService/CreateOrder",
            "/rustbill.order.OrderService/CreateOrder",
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "x",
            "",
        ] {
            assert!(find(bad).unwrap_err().contains("there is no call"), "{bad}");
        }
    }

    #[test]
    fn a_request_is_one_frame_and_unknown_fields_are_named() {
        let input = find("rustbill.order.OrderService/PayOrder").unwrap().input();
        let body = framed(&input, r#"{"order_id": "ab"}"#).unwrap();
        assert_eq!(&body[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        for bad in [r#"{"orderid": "ab"}"#, "{} {}", "", r#"{"order_id": 1}"#] {
            assert!(framed(&input, bad).unwrap_err().contains("rustbill.order.PayOrderRequest"), "{bad}");
        }
        assert!(framed(&input, r#"{"orderid": "ab"}"#).unwrap_err().contains("'orderid'"));
        let input_of_login = find("rustbill.identity.IdentityService/Login").unwrap().input();
        for secret in [r#"{"username": "u", "password": 7654321}"#, r#""Bearer 7654321""#] {
            let error = framed(&input_of_login, secret).unwrap_err();
            assert!(error.contains("line 1") && !error.contains("7654321"), "{error}");
        }
        let long = format!(r#"{{"order_id": "{}"}}"#, "x".repeat(MESSAGE_MAX));
        assert!(framed(&input, &long).unwrap_err().contains("at most 1048576"));
    }

    #[test]
    fn an_answer_has_all_fields_in_the_protocols_names() {
        let output = find("rustbill.order.OrderService/ListOrders").unwrap().output();
        // meta.total = 7
        let body = [frame(0, &[0x12, 2, 0x08, 7]), frame(TRAILERS, b"grpc-status:0\r\n")].concat();
        let answer = parsed(&read(&output, &response(200, &[WEB], &body)).unwrap());
        assert_eq!((&answer["code"], &answer["status"]), (&json!(0), &json!("OK")));
        assert_eq!(answer["body"]["meta"], json!({ "total": "7", "page": 0, "page_size": 0, "total_pages": 0 }));
        assert_eq!(answer["body"]["orders"], json!([]));
    }

    #[test]
    fn an_error_has_its_words_wherever_they_stand() {
        let output = find("rustbill.order.OrderService/ListOrders").unwrap().output();
        let expected = json!({
            "code": 16, "status": "UNAUTHENTICATED", "message": "log in ✓ first", "error_code": "auth.required"
        });
        let trailers = b"grpc-status: 16\r\ngrpc-message: log%20in%20%E2%9C%93 first\r\nerror-code: auth.required\r\n";
        assert_eq!(parsed(&read(&output, &response(200, &[WEB], &frame(TRAILERS, trailers))).unwrap()), expected);
        let headers =
            [("grpc-status", "16"), ("grpc-message", "log%20in%20%E2%9C%93 first"), ("error-code", "auth.required")];
        assert_eq!(parsed(&read(&output, &response(401, &headers, b"")).unwrap()), expected);
    }

    #[test]
    fn an_answer_that_swells_is_cut_off_before_it_fills_the_memory() {
        let output = find("rustbill.order.OrderService/ListOrders").unwrap().output();
        let with = |orders: usize| {
            // Each order is two bytes here, and some hundreds in JSON.
            let body = [frame(0, &[0x0a, 0].repeat(orders)), frame(TRAILERS, b"grpc-status:0\r\n")].concat();
            read(&output, &response(200, &[WEB], &body))
        };
        assert_eq!(parsed(&with(100).unwrap())["body"]["orders"].as_array().unwrap().len(), 100);
        let error = with(500_000).unwrap_err();
        assert!(error.contains("more than the 4194304 bytes"), "{error}");
    }

    #[test]
    fn what_is_no_grpc_is_no_answer() {
        let output = find("rustbill.order.OrderService/ListOrders").unwrap().output();
        let ok = frame(TRAILERS, b"grpc-status:0\r\n");
        for (status, body, what) in [
            (502, b"<html>".to_vec(), "is cut off"),
            (200, Vec::new(), "is the address that of a RustBill"),
            (200, frame(0, b""), "is the address that of a RustBill"),
            (200, ok.clone(), "success without a message"),
            (200, [frame(0, b""), frame(0, b""), ok.clone()].concat(), "more than one message"),
            (200, [frame(1, b""), ok.clone()].concat(), "a compressed frame"),
            (200, [frame(2, b""), ok.clone()].concat(), "unknown kind 2"),
            (200, [frame(0, &[0x12, 9]), ok].concat(), "no `rustbill.order.ListOrdersResponse`"),
        ] {
            let error = read(&output, &response(status, &[WEB], &body)).unwrap_err();
            assert!(error.contains(what) && error.contains(&status.to_string()), "{error}");
        }
        let page = read(&output, &response(404, &[("content-type", "text/html")], b"<p>")).unwrap_err();
        assert!(page.contains("404"), "{page}");
    }
}
