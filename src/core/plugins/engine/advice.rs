//! What an author can do about an error that Rune words for people who know Rune.

use super::error::Issue;
use super::habits;
use super::lexer::{TokenKind, lex};
use super::prepass::place;
use super::signatures;
use crate::core::text;

/// How Rune names a host function that there is none of.
const MISSING_HOST: &str = "Missing item {root}::::rustbill_host::";
const MISSING: &str = "Missing item ";
/// How Rune names what stands at the top of a script.
const ROOT: &str = "{root}::";
/// The module of host functions.
const MODULE: &str = "rustbill_host";
/// How alike two names must be, from 0 to 1, for the one to be meant by the other.
const ALIKE_MIN: f64 = 0.85;
const NO_VARIABLE: &str = "No local variable `";

/// The issue in words for authors, with advice where it is known what helps.
pub(super) fn explained(issue: Issue, source: &str) -> Issue {
    let index = usize::try_from(issue.line).unwrap_or(0).saturating_sub(1);
    let line = source.lines().nth(index).unwrap_or_default();
    let before = usize::try_from(issue.column).unwrap_or(0).saturating_sub(1);
    let rest: String = line.chars().skip(before).collect();
    let left: String = line.chars().take(before).collect();
    let at = (issue.line, issue.column);
    if let Some(name) = issue.message.strip_prefix(MISSING_HOST) {
        let advice = match signatures::nearest(name) {
            Some(signature) => format!("did you mean `{}`?", signature.shown()),
            None => "docs/plugins.md lists the host functions".to_owned(),
        };
        return Issue::at(at, format!("there is no host function `{name}`")).advised(advice);
    }
    if let Some(name) = issue.message.strip_prefix(MISSING) {
        return missing(at, name.strip_prefix(ROOT).unwrap_or(name), &rest, source);
    }
    if let Some(name) = issue.message.strip_prefix(NO_VARIABLE) {
        return no_variable(at, name.trim_end_matches('`'), &rest, source);
    }
    if let Some(quote) = odd_quote(at, source) {
        return quote;
    }
    let known = syntax(&issue.message, line, &rest)
        .or_else(|| foreign(&issue.message, left.trim_end(), &rest))
        .or_else(|| habits::of_writing(&issue.message, line, left.trim_end(), &rest));
    let known = known.map(str::to_owned).or_else(|| unclosed(&issue.message, source));
    match known.or_else(|| habits::of_message(&issue.message).map(str::to_owned)) {
        Some(advice) => issue.advised(advice),
        None => issue,
    }
}

/// A text that goes on over the end of its line and ends where another one was meant to begin, so that from there on
/// texts and code have changed places. Rune complains far below the quote that is missing.
fn odd_quote(at: (u32, u32), source: &str) -> Option<Issue> {
    let tokens = lex(source);
    let long = tokens.iter().position(|token| {
        let text = token.text(source);
        token.kind == TokenKind::Literal && text.starts_with('"') && text.contains('\n')
    })?;
    let rest = tokens.get(long..)?;
    let is_swapped = rest.windows(2).any(|pair| match pair {
        [text, next] if text.kind == TokenKind::Literal => match next.kind {
            TokenKind::Word => !["as", "in", "is", "else"].contains(&next.text(source)),
            TokenKind::Literal | TokenKind::Number => true,
            _ => false,
        },
        _ => false,
    });
    let text = rest.first()?;
    let is_open = text.end == source.len() && !text.text(source).get(1..)?.ends_with('"');
    let begin = place(source, text.start);
    if begin > at || !(is_swapped || is_open) {
        return None;
    }
    let (end, _) = place(source, text.end.saturating_sub(1));
    let message = format!("the text that begins here has no end on its line; it goes on to line {end}");
    Some(Issue::at(begin, message).advised("close it with `\"`"))
}

fn missing(at: (u32, u32), name: &str, rest: &str, source: &str) -> Issue {
    let word = first_word(rest);
    if name.starts_with("::std::io::") || rest.starts_with(&format!("{word}!")) {
        let issue = Issue::at(at, format!("there is no macro `{word}!`"));
        return issue.advised("write `rustbill_host::log_info(text)`, and look for the line in the server's log");
    }
    let (first, last) = (name.split("::").next().unwrap_or(name), name.rsplit("::").next().unwrap_or(name));
    let module = || text::nearest(first, [MODULE], ALIKE_MIN, str::to_owned).filter(|_| first != last);
    let own = || text::nearest(name, functions(source), ALIKE_MIN, str::to_owned);
    let advice = if let Some(advice) = habits::of_name(first) {
        advice.to_owned()
    } else if let Some(signature) = signatures::find(name) {
        format!("host functions need their module: `{MODULE}::{}`", signature.shown())
    } else if let Some(module) = module() {
        format!("did you mean `{module}::{last}`?")
    } else if let Some(own) = own() {
        format!("did you mean `{own}`?")
    } else {
        "define it in this file, or look for a misspelling".to_owned()
    };
    Issue::at(at, format!("there is no function `{name}`")).advised(advice)
}

fn no_variable(at: (u32, u32), name: &str, rest: &str, source: &str) -> Issue {
    let issue = Issue::at(at, format!("there is no variable `{name}`"));
    if name == MODULE {
        let issue = Issue::at(at, format!("`{MODULE}` is a module, and no value"));
        let called = first_word(rest.get(name.len() + 1..).unwrap_or_default());
        return issue.advised(match signatures::nearest(called) {
            Some(signature) => format!("write `{MODULE}::{}`", signature.shown()),
            None => format!("write `{MODULE}::`, then the function"),
        });
    }
    let own = || text::nearest(name, variables(source), ALIKE_MIN, str::to_owned);
    let advice = if let Some(advice) = habits::of_name(name) {
        advice.to_owned()
    } else if let Some(own) = own() {
        format!("did you mean `{own}`?")
    } else {
        format!(
            "declare it before with `let {name} = …;`, or read a field with `rustbill_host::json_get(merged, \"{name}\")`"
        )
    };
    issue.advised(advice)
}

/// The names behind `fn`.
fn functions(source: &str) -> Vec<&str> {
    named(source, &["fn"])
}

/// The names behind `let` and `for`, and those of parameters.
pub(super) fn variables(source: &str) -> Vec<&str> {
    let tokens = lex(source);
    let mut found = named(source, &["let", "mut", "for"]);
    for (index, _) in tokens.iter().enumerate().filter(|(_, token)| token.is_word(source, "fn")) {
        let parameters = tokens.iter().skip(index + 3).take_while(|token| token.kind != TokenKind::Close(b')'));
        found.extend(parameters.filter(|token| token.kind == TokenKind::Word).map(|token| token.text(source)));
    }
    found
}

fn named<'a>(source: &'a str, words: &[&str]) -> Vec<&'a str> {
    let tokens = lex(source);
    let names = tokens.windows(2).filter_map(|pair| match pair {
        [word, name] if name.kind == TokenKind::Word && words.contains(&word.text(source)) => Some(name.text(source)),
        _ => None,
    });
    names.collect()
}

fn first_word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Advice about writing that is right in another language.
fn syntax(message: &str, line: &str, rest: &str) -> Option<&'static str> {
    let word = first_word(rest);
    let is = |text: &str| message.contains(text);
    if is("outside of async function") {
        return Some("write `async fn` before the function's name, or leave out `.await`: host functions need none");
    }
    if is("to be terminated by a semicolon") {
        return Some(match word {
            "var" | "const" | "final" => "declare variables with `let`",
            "function" | "def" | "func" => "functions begin with `fn`",
            "import" | "require" | "use" => "scripts import nothing; host functions are there as `rustbill_host::name`",
            "elif" | "elsif" | "elseif" => "write `else if`",
            "throw" | "raise" => "return `Err(\"why\")`, or \"ERROR: why\" in a provider",
            _ => "end the statement with `;`",
        });
    }
    if line.contains("===") || line.contains("!==") {
        return Some("compare with `==` and `!=`");
    }
    if word == "await" {
        return Some("write `.await` behind the call, or leave it out: host functions need none");
    }
    if is("expression but got `:`") && line.contains('{') && !line.contains("#{") {
        return Some("write objects as `#{ key: value }`");
    }
    if is("literal object key") && line.trim_start().starts_with("try") {
        return Some("there is no `try`: look at what the function returns, with `match` or `is_ok()`");
    }
    if is("Unexpected character") && line.contains('$') {
        return Some("in a template a `$` stands before `{` only; write `\\$`");
    }
    if is("got `+`") && line.contains("++") || is("got `-`") && line.contains("--") {
        return Some("write `name += 1` or `name -= 1`");
    }
    if is("pattern but got `let`") {
        return Some("write `for i in 0..3 { … }`");
    }
    if is("got `=>`") {
        return Some("write closures as `|x| …`");
    }
    if (is("Bad character literal") || is("Expected `:`")) && line.contains('\'') {
        return Some("write texts in double quotes");
    }
    if is("Unterminated string literal") {
        return Some("close the text with `\"`");
    }
    if is("No `self`") {
        return Some("functions of a plugin have no `self`; their first parameter holds everything");
    }
    None
}

/// More of the same, told from what stands before the place (`left`) and behind it.
fn foreign(message: &str, left: &str, rest: &str) -> Option<&'static str> {
    const FUNCTION: &str = "functions begin with `fn`, such as `fn helper(a, b) { … }`";
    const IMPORT: &str = "scripts import nothing; host functions are there as `rustbill_host::name`";
    const KEYWORDS: [&str; 6] = ["function", "def", "func", "fun", "sub", "proc"];
    let is = |text: &str| message.contains(text);
    let word = first_word(rest);
    if is("Expected `!` but got") {
        return match last_word(left) {
            name if KEYWORDS.contains(&name) => Some(FUNCTION),
            "import" | "require" | "from" => Some(IMPORT),
            "var" => Some("declare variables with `let`, inside a function"),
            _ => None,
        };
    }
    if word == "async" && is("got `async`") {
        let next = first_word(rest.get(word.len()..).unwrap_or_default().trim_start());
        return KEYWORDS.contains(&next).then_some("functions begin with `fn`, or with `async fn`");
    }
    if is("but got an identifier") && matches!(word, "and" | "or") {
        return Some(if word == "and" { "write `&&`" } else { "write `||`" });
    }
    if is("got `not`") {
        return Some("write `!` before what must not be");
    }
    if is("got `else`") {
        return Some("close the block above with `}` before `else`");
    }
    if is("an opening brace `{` but got `:`") {
        return Some("a block stands between `{` and `}`");
    }
    if is("Expected `;`") && left.ends_with('?') {
        return Some("there is no `a ? b : c`: write `if a { b } else { c }`");
    }
    // Also where a bracket closes, as in `f(1 +)`.
    if is("Expected expression but got") && left.ends_with(['+', '-', '*', '/', '%', '=', '<', '>', '&', '|', '!']) {
        return Some("a value is missing here, behind the sign");
    }
    None
}

fn last_word(text: &str) -> &str {
    let start = text.rfind(|letter: char| !letter.is_alphanumeric() && letter != '_');
    start.map_or(text, |start| text.get(start + 1..).unwrap_or_default())
}

/// Names what was opened last and never closed, where the parser only met the end.
fn unclosed(message: &str, source: &str) -> Option<String> {
    let is_end = message.contains("got eof") || message.contains("end of file");
    if !is_end && !message.contains("Expected a closing") {
        return None;
    }
    let mut open: Vec<(usize, &str, u8)> = Vec::new();
    let tokens = lex(source);
    let mut culprit = None;
    for token in &tokens {
        match token.kind {
            TokenKind::Open(byte) => {
                let close = match byte {
                    b'(' => b')',
                    b'[' => b']',
                    _ => b'}',
                };
                open.push((token.start, token.text(source), close));
            }
            TokenKind::ObjectOpen | TokenKind::ExpressionOpen => open.push((token.start, token.text(source), b'}')),
            TokenKind::TemplateStart => open.push((token.start, "`", b'`')),
            TokenKind::Close(byte) => match open.pop() {
                Some((_, _, close)) if close == byte => {}
                other => {
                    culprit = other;
                    break;
                }
            },
            TokenKind::TemplateEnd => {
                open.pop();
            }
            _ => {}
        }
    }
    let (start, text, _) = culprit.or_else(|| open.last().copied())?;
    let (line, column) = place(source, start);
    let shown = if text == "`" { "the backtick".to_owned() } else { format!("the `{text}`") };
    Some(format!("{shown} at {line}:{column} is never closed"))
}
