//! The module `rustbill_host` as scripts see it, and the two repairs of Rune's own strings.
//!
//! Pure functions run here, in the worker. The others are asked of the [`Outside`], which in a worker is the pipe to
//! the server. All are plain functions that block; since a string and a unit can be awaited, `http_get(url)` and
//! `http_get(url).await` are the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rune::alloc::String as RuneString;
use rune::alloc::clone::TryClone as _;
use rune::runtime::{Protocol, Ref, Value, VmResult};
use rune::{ContextError, Module, vm_try};

use super::host::HostFunction;
use super::pause;
use super::pure;
use super::values;

/// Name of the module in scripts.
const MODULE: &str = "rustbill_host";

/// Most log lines of one call; more are dropped, so that a loop cannot fill the server's log.
const LOG_LINES_MAX: u32 = 200;

/// Longest text that hashes and encodings take, in bytes; what they make is not counted as the script's memory.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Longest log line, in characters.
const LOG_CHARACTERS_MAX: usize = 4_000;

/// Where calls that leave the worker go.
pub(super) trait Outside: Send {
    /// Asks for one host function and waits for its answer.
    fn request(&mut self, function: HostFunction, arguments: Vec<String>) -> Result<String, String>;
    /// Sends a log line, without an answer.
    fn log(&mut self, level: &str, text: &str);
}

/// What the natives share with the machine.
pub(super) struct Bridge {
    pub(super) outside: Box<dyn Outside>,
    /// How many host calls the running call may still make; `None` while a script is inspected.
    pub(super) calls_left: Option<u32>,
    pub(super) calls_exceeded: bool,
    pub(super) log_lines_left: u32,
    pub(super) json: pure::JsonCache,
}

impl Bridge {
    pub(super) fn new(outside: Box<dyn Outside>) -> Self {
        Self { outside, calls_left: None, calls_exceeded: false, log_lines_left: 0, json: pure::JsonCache::default() }
    }

    /// Gives the next call its allowance.
    pub(super) fn reset(&mut self, calls: Option<u32>) {
        self.calls_left = calls;
        self.calls_exceeded = false;
        self.log_lines_left = calls.map_or(0, |_| LOG_LINES_MAX);
        self.json = pure::JsonCache::default();
    }

    fn request(&mut self, function: HostFunction, arguments: &[&str]) -> Result<String, String> {
        match self.calls_left.as_mut() {
            None => Err("host functions cannot be used while a plugin is inspected".to_owned()),
            Some(0) => {
                self.calls_exceeded = true;
                Err("too many host calls".to_owned())
            }
            Some(left) => {
                *left -= 1;
                let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
                self.outside.request(function, arguments)
            }
        }
    }

    fn log(&mut self, level: &str, text: &str) {
        let Some(left) = self.log_lines_left.checked_sub(1) else {
            return;
        };
        self.log_lines_left = left;
        let text: String = text.chars().take(LOG_CHARACTERS_MAX).collect();
        self.outside.log(level, &text);
        if left == 0 {
            self.outside
                .log("warn", &format!("a call may log {LOG_LINES_MAX} lines; what it logs from here on is dropped"));
        }
    }
}

/// The bridge as the natives hold it.
pub(super) type Shared = Arc<Mutex<Bridge>>;

/// Locks the bridge; one thread uses it, so a poisoned lock only says that an earlier call panicked.
pub(super) fn lock(bridge: &Shared) -> MutexGuard<'_, Bridge> {
    bridge.lock().unwrap_or_else(PoisonError::into_inner)
}

fn to_rune(text: &str) -> VmResult<RuneString> {
    VmResult::Ok(vm_try!(RuneString::try_from(text)))
}

fn answer(result: Result<String, String>) -> VmResult<RuneString> {
    match result {
        Ok(text) => to_rune(&text),
        Err(message) => VmResult::panic(message),
    }
}

fn ask(bridge: &Shared, function: HostFunction, arguments: &[&str]) -> VmResult<RuneString> {
    answer(lock(bridge).request(function, arguments))
}

fn tell(bridge: &Shared, function: HostFunction, arguments: &[&str]) -> VmResult<()> {
    match lock(bridge).request(function, arguments) {
        Ok(_) => VmResult::Ok(()),
        Err(message) => VmResult::panic(message),
    }
}

/// Builds the modules to install into a context.
pub(super) fn modules(bridge: &Shared) -> Result<[Module; 2], ContextError> {
    let mut module = Module::with_crate(MODULE)?;
    logs(&mut module, bridge)?;
    network(&mut module, bridge)?;
    state(&mut module, bridge)?;
    json(&mut module, bridge)?;
    text(&mut module)?;
    pause::install(&mut module)?;
    Ok([module, strings()?])
}

fn logs(module: &mut Module, bridge: &Shared) -> Result<(), ContextError> {
    for (name, level) in [("log_info", "info"), ("log_warn", "warn"), ("log_error", "error")] {
        let bridge = Arc::clone(bridge);
        module.function(name, move |text: &str| lock(&bridge).log(level, text)).build()?;
    }
    Ok(())
}

fn network(module: &mut Module, bridge: &Shared) -> Result<(), ContextError> {
    use HostFunction as H;

    let b = Arc::clone(bridge);
    module.function("http_get", move |url: &str| ask(&b, H::HttpGet, &[url])).build()?;
    let b = Arc::clone(bridge);
    module
        .function("http_post", move |url: &str, body: &str, content_type: &str| {
            ask(&b, H::HttpPost, &[url, body, content_type])
        })
        .build()?;
    let b = Arc::clone(bridge);
    module.function("http_post_bytes", move |url: &str, body: &str| ask(&b, H::HttpPostBytes, &[url, body])).build()?;
    let b = Arc::clone(bridge);
    module
        .function("http_post_with_headers", move |url: &str, body: &str, content_type: &str, headers: &str| {
            ask(&b, H::HttpPostWithHeaders, &[url, body, content_type, headers])
        })
        .build()?;
    let b = Arc::clone(bridge);
    module
        .function(
            "http_request_with_cert",
            move |method: &str, url: &str, body: &str, content_type: &str, cert: &str| {
                ask(&b, H::HttpRequestWithCert, &[method, url, body, content_type, cert])
            },
        )
        .build()?;
    let b = Arc::clone(bridge);
    module
        .function("http_request", move |method: &str, url: &str, body: &str, headers: &str| {
            ask(&b, H::HttpRequest, &[method, url, body, headers])
        })
        .build()?;
    let b = Arc::clone(bridge);
    module
        .function("grpc_call", move |url: &str, method: &str, request: &str, headers: &str| {
            ask(&b, H::GrpcCall, &[url, method, request, headers])
        })
        .build()?;
    let b = Arc::clone(bridge);
    module.function("smtp_send", move |config: &str, email: &str| tell(&b, H::SmtpSend, &[config, email])).build()?;
    let b = Arc::clone(bridge);
    module.function("smtp_try", move |config: &str, email: &str| ask(&b, H::SmtpTry, &[config, email])).build()?;
    let b = Arc::clone(bridge);
    module.function("smtp_check", move |config: &str| ask(&b, H::SmtpTry, &[config, ""])).build()?;
    Ok(())
}

fn state(module: &mut Module, bridge: &Shared) -> Result<(), ContextError> {
    use HostFunction as H;

    let b = Arc::clone(bridge);
    module.function("state_get", move |key: &str| ask(&b, H::StateGet, &[key])).build()?;
    let b = Arc::clone(bridge);
    module.function("state_set", move |key: &str, value: &str| tell(&b, H::StateSet, &[key, value])).build()?;
    let b = Arc::clone(bridge);
    module.function("state_claim", move |key: &str, value: &str| ask(&b, H::StateClaim, &[key, value])).build()?;
    let b = Arc::clone(bridge);
    module.function("state_delete", move |key: &str| tell(&b, H::StateDelete, &[key])).build()?;
    Ok(())
}

fn json(module: &mut Module, bridge: &Shared) -> Result<(), ContextError> {
    let b = Arc::clone(bridge);
    module.function("json_get", move |json: &str, path: &str| to_rune(&lock(&b).json.get(json, path))).build()?;
    let b = Arc::clone(bridge);
    module
        .function("json_array_len", move |json: &str, path: &str| -> i64 { lock(&b).json.array_len(json, path) })
        .build()?;
    let b = Arc::clone(bridge);
    module
        .function("json_parse", move |json: &str| -> VmResult<Value> {
            match lock(&b).json.parsed(json) {
                Some(value) => VmResult::Ok(vm_try!(values::from_json(value))),
                None => {
                    VmResult::panic(format!("`json_parse` was given text that is not JSON{}", pure::json_fault(json)))
                }
            }
        })
        .build()?;
    module
        .function("json_stringify", |value: Value| {
            let json = values::to_json(&value).map(|json| json.to_string());
            answer(json.map_err(|why| format!("`json_stringify` cannot write the value: {why}")))
        })
        .build()?;
    Ok(())
}

fn text(module: &mut Module) -> Result<(), ContextError> {
    /// A function of one text that cannot fail.
    type Simple = fn(&str) -> String;
    let simple: [(&str, Simple); 6] = [
        ("md5_hex", pure::md5_hex),
        ("sha256_hex", pure::sha256_hex),
        ("url_encode", pure::url_encode),
        ("html_escape", pure::html_escape),
        ("base64_encode", pure::base64_encode),
        ("form_parse", pure::form_parse),
    ];
    for (name, function) in simple {
        module
            .function(name, move |text: &str| match text.len() {
                0..=TEXT_BYTES_MAX => to_rune(&function(text)),
                length => {
                    VmResult::panic(format!("`{name}` was given {length} bytes, at most {TEXT_BYTES_MAX} are allowed"))
                }
            })
            .build()?;
    }
    // What an author wants to say is the text of the failure, as it is.
    module.function("fail", |message: &str| -> VmResult<()> { VmResult::panic(message.to_owned()) }).build()?;
    module
        .function("constant_time_equals", |one: &str, other: &str| -> bool { pure::constant_time_equals(one, other) })
        .build()?;
    module.function("base64_decode", |text: &str| answer(pure::base64_decode(text))).build()?;
    module.function("hmac_sha256_hex", |key: &str, text: &str| answer(pure::hmac_sha256_hex(key, text))).build()?;
    module.function("now", || answer(pure::now())).build()?;
    module.function("now_unix", || to_rune(&pure::now_unix().to_string())).build()?;
    module
        .function("random_hex", |bytes: Value| {
            // The documentation passes numbers as strings; a plain number is what an author would try first.
            let count = match bytes.borrow_string_ref() {
                Ok(text) => text.trim().parse::<usize>().ok(),
                Err(_) => bytes.as_integer::<usize>().ok(),
            };
            answer(pure::random_hex(count))
        })
        .build()?;
    Ok(())
}

/// `find` on strings, which Rune 0.14 lacks, and the awaiting of strings and units.
fn strings() -> Result<Module, ContextError> {
    let mut module = Module::new();
    module.associated_function("find", |text: &str, wanted: &str| -> Option<i64> {
        i64::try_from(text.find(wanted)?).ok()
    })?;
    module.associated_function(&Protocol::INTO_FUTURE, await_text)?;
    module.associated_function(&Protocol::INTO_FUTURE, await_unit)?;
    Ok(module)
}

/// Awaiting a string yields the string.
async fn await_text(text: Ref<RuneString>) -> VmResult<RuneString> {
    VmResult::Ok(vm_try!(text.try_clone()))
}

/// Awaiting a unit yields the unit.
async fn await_unit((): ()) {}
