//! What people write who know another language, and what to write instead: tables of what Rune says, or of what stands
//! there, and the advice.

/// Names that other languages have at hand, as functions, modules or values.
const NAMES: &[(&[&str], &str)] = &[
    (&["null", "nil", "undefined", "NULL", "none"], "write `None`"),
    (&["True", "TRUE"], "write `true`"),
    (&["False", "FALSE"], "write `false`"),
    (&["elif", "elsif"], "write `else if`"),
    (
        &["JSON"],
        "read JSON with `rustbill_host::json_get(text, \"name\")` or `rustbill_host::json_parse(text)`, and write it with \
         `rustbill_host::json_stringify(value)`",
    ),
    (&["Error", "Exception", "Throw", "Failure"], "write `Err(\"why\")`"),
    (&["console", "logger", "print", "puts", "echo", "printf"], "write `rustbill_host::log_info(text)`"),
    (&["parseInt", "int", "Number", "atoi"], "write `text.parse::<i64>().unwrap_or(0)`"),
    (&["parseFloat", "float"], "write `text.parse::<f64>().unwrap_or(0.0)`"),
    (&["str", "toString", "String"], "write `` `${value}` ``"),
    (&["len", "sizeof"], "write `value.len()`"),
    (&["fetch", "requests", "axios"], "write `rustbill_host::http_get(url)`, or `http_request` for more"),
    (&["sleep", "setTimeout"], "write `rustbill_host::sleep_ms(\"500\")`"),
    (&["Date", "datetime"], "write `rustbill_host::now()`, or `now_unix()` for seconds"),
    (&["Math", "math"], "numbers have methods: `value.abs()`, `value.min(other)`, `value.pow(2)`"),
    (&["format", "sprintf"], "write a text in backticks: `` `text ${value}` ``"),
];

/// What Rune says, what the line holds, how it ends before the place and begins there, and the advice. Empty is anything.
type Writing = (&'static str, &'static str, &'static str, &'static str, &'static str);

const WRITINGS: &[Writing] = &[
    ("but got `#`", "", "", "#", "comments begin with `//`"),
    ("Expected `in` keyword but got `=`", "for ", "", "", "write `for i in 0..3 { … }`"),
    ("Cannot assign to expression", "if ", "", "", "compare with `==`"),
    ("Cannot assign to expression", "while ", "", "", "compare with `==`"),
    ("but got a string literal", "f\"", "f", "\"", "write a text in backticks: `` `text ${name}` ``"),
    ("a closing brace `}` but got `=`", "", "", "=", "write `key: value` in an object"),
    ("a closing brace `}` but got an identifier", "#{", "", "", "a comma is missing before this"),
    ("a closing brace `}` but got a string literal", "#{", "", "", "a comma is missing before this"),
    ("Expected `;`", "", "", "", "end the statement before this with `;`"),
];

/// What Rune says where nothing else is known.
const MESSAGES: &[(&str, &str)] = &[
    ("Expected an opening brace `{`", "write `{` before this, and `}` behind the last line of the block"),
    ("Expected a closing brace `}`", "a comma or a `}` is missing before this"),
    ("Expected a closing bracket `]`", "a comma or a `]` is missing before this"),
    ("Expected a closing parenthesis `)`", "a comma or a `)` is missing before this"),
    ("Cannot assign to expression", "only variables, fields and elements can be given a value; compare with `==`"),
    ("Expected end of file", "outside of functions stand only functions; look for a `}` too many above"),
];

/// What Rune says of a script that runs.
const FAILURES: &[(&str, &str)] = &[
    ("Operation `String as ", "make a number of a text with `text.parse::<f64>().unwrap_or(0.0)`"),
    ("Operation `::std::string::String as ", "make a number of a text with `text.parse::<f64>().unwrap_or(0.0)`"),
    ("Missing index by static string slot", "ask with `object.get(\"name\")`, which gives `None` or `Some(value)`"),
    ("missing integer index", "look at `list.len()` first, or ask with `list.get(place)`"),
    ("Division by zero", "look first whether the divisor is 0"),
];

/// Advice about a name that there is none of.
pub(super) fn of_name(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(names, _)| names.contains(&name)).map(|(_, advice)| *advice)
}

/// Advice about a place in a line: `left` stands before it, `rest` begins there.
pub(super) fn of_writing(message: &str, line: &str, left: &str, rest: &str) -> Option<&'static str> {
    let fits = |(said, held, before, behind, _): &&Writing| {
        message.contains(said) && line.contains(held) && left.ends_with(before) && rest.starts_with(behind)
    };
    WRITINGS.iter().find(fits).map(|(.., advice)| *advice)
}

/// Advice about what Rune says, wherever.
pub(super) fn of_message(message: &str) -> Option<&'static str> {
    MESSAGES.iter().find(|(said, _)| message.contains(said)).map(|(_, advice)| *advice)
}

/// What Rune says of a script that runs, in words for its author, with the help of the code that stands there.
pub(super) fn worded(text: &str, code: &str) -> String {
    if text.starts_with("Missing index by static string slot") {
        // Rune names the key by a number of its own.
        let behind = code.rsplit(['.', '[']).next().unwrap_or_default();
        let key: String = behind.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        return format!("the object has no key `{key}`");
    }
    if text.starts_with("Operation `") && text.contains(" as ") {
        return "`as` can't make this of that".to_owned();
    }
    match text.strip_prefix("Missing instance function `") {
        // Rune names the function by a hash only; the quoted source names it for the author.
        Some(rest) => match rest.split_once("` for ") {
            Some((_, of)) => format!("there is no such method on {of}"),
            None => "there is no such method".to_owned(),
        },
        None => text.to_owned(),
    }
}

/// Advice about an error of a running script, from Rune's words and the code that it quotes.
pub(super) fn of_failure(text: &str, code: &str) -> Option<&'static str> {
    const METHODS: [(&str, &str); 8] = [
        (".length", "write `.len()`"),
        (".toString", "write `` `${value}` ``"),
        (".substring", "write `text[from:to]`"),
        (".includes", "write `.contains(…)`"),
        (".indexOf", "write `.find(…)`, which gives `None` or `Some(place)`"),
        (".toUpperCase", "write `.to_uppercase()`"),
        (".toLowerCase", "write `.to_lowercase()`"),
        (".append", "write `.push(…)`"),
    ];
    if let Some((_, advice)) = FAILURES.iter().find(|(part, _)| text.contains(part)) {
        return Some(advice);
    }
    if text.contains("::std::future::Future`") {
        return Some("an async function of your own was called without `.await`: write `name(…).await`");
    }
    let is_field = text.contains("no such method")
        || text.contains("Missing instance function")
        || text.contains("not available on");
    if is_field && let Some((_, advice)) = METHODS.iter().find(|(method, _)| code.contains(method)) {
        return Some(advice);
    }
    if text.contains("not available on `::std::string::String`") || text.contains("`::std::string::String[") {
        return Some("the first parameter is JSON text: read it with `rustbill_host::json_get(merged, \"name\")`");
    }
    if text.contains("Expected type `::std::string::String`") {
        return Some("a text is needed: write `` `${value}` ``");
    }
    if text.contains("`DISPLAY_FMT` for `::std::option::Option`") {
        return Some("an Option is no text: take its value with `unwrap_or(\"\")`");
    }
    if text.contains("Missing protocol function `DISPLAY_FMT`") {
        return Some("write objects and lists as text with `rustbill_host::json_stringify(value)`");
    }
    if text.contains("`Option::unwrap()` on a `None`") {
        return Some("look with `is_some()` first, or write `unwrap_or(…)`");
    }
    if text.contains("`SUB` on `::std::tuple::Tuple`") {
        return Some("a value that begins with `-` behind a block is subtracted from it: write `return -1;`");
    }
    if text.contains("Unsupported binary operation") && text.contains("::String`") {
        return Some(
            "make a number of a text with `text.parse::<i64>().unwrap_or(0)`, a text of a number with `` `${number}` ``",
        );
    }
    None
}
