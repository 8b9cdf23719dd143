//! What can be told from a script's tokens alone: calls of host functions that can only fail, and writing that compiles
//! and hardly ever means what it says.

use super::advice;
use super::contract::Function;
use super::error::{Issue, line_of};
use super::lexer::{Token, TokenKind, lex};
use super::misuse;
use super::prepass::place;
use super::signatures::{self, Signature, Takes};

/// Name of the module of host functions, as scripts write it.
const MODULE: &str = "rustbill_host";

/// Calls of host functions with the wrong number of arguments, or a number where a text must be. Rune finds them only
/// when the call is reached.
pub(super) fn host_calls(source: &str) -> Vec<Issue> {
    let tokens = lex(source);
    let mut issues = Vec::new();
    for (index, window) in tokens.windows(4).enumerate() {
        let [module, colons, name, open] = window else { continue };
        let is_call = module.is_word(source, MODULE)
            && colons.kind == TokenKind::DoubleColon
            && name.kind == TokenKind::Word
            && open.kind == TokenKind::Open(b'(');
        let Some(signature) = is_call.then(|| signatures::find(name.text(source))).flatten() else { continue };
        let Some(arguments) = arguments(tokens.get(index + 4..).unwrap_or_default()) else { continue };
        issues.extend(check(source, name, signature, &arguments));
    }
    issues
}

/// Calls of the script's own functions with the wrong number of arguments. Rune finds them only when the call is reached.
/// A name that may stand for something else in some place is left alone.
pub(super) fn own_calls(source: &str, functions: &[Function]) -> Vec<Issue> {
    let tokens = lex(source);
    let variables = advice::variables(source);
    let is_other = |name: &str| {
        let count = |before: fn(&Token, &str) -> bool| {
            let pairs = tokens.windows(2);
            pairs.filter(|pair| matches!(pair, [a, b] if before(a, source) && b.is_word(source, name))).count()
        };
        let is_function = |token: &Token, source: &str| token.is_word(source, "fn");
        variables.contains(&name) || count(is_function) != 1 || count(|token, _| token.is(b'|')) > 0
    };
    let mut issues = Vec::new();
    for (index, window) in tokens.windows(3).enumerate() {
        let [before, name, open] = window else { continue };
        let is_call = name.kind == TokenKind::Word
            && open.kind == TokenKind::Open(b'(')
            && !(before.is(b'.') || before.kind == TokenKind::DoubleColon || before.is_word(source, "fn"));
        let text = name.text(source);
        let Some(known) = functions.iter().find(|known| is_call && known.name == text) else { continue };
        let Some(arguments) = arguments(tokens.get(index + 3..).unwrap_or_default()) else { continue };
        let (given, wanted) = (arguments.len(), known.parameters);
        if given != wanted && !is_other(text) {
            let noun = if wanted == 1 { "argument" } else { "arguments" };
            let message = format!("`{text}` is given {given} of {wanted} {noun}");
            let line = line_of(text, source).unwrap_or_default();
            let advice = format!("`{text}` is declared on line {line}");
            issues.push(Issue::at(place(source, name.start), message).advised(advice));
        }
    }
    issues
}

fn check(source: &str, name: &Token, signature: &Signature, arguments: &[&[Token]]) -> Vec<Issue> {
    let (given, wanted) = (arguments.len(), signature.parameters.len());
    if given != wanted {
        let noun = if wanted == 1 { "argument" } else { "arguments" };
        let message = format!("`{}` is given {given} of {wanted} {noun}", signature.name);
        return vec![Issue::at(place(source, name.start), message).advised(format!("write `{}`", signature.shown()))];
    }
    let numbers = arguments.iter().zip(signature.parameters).filter_map(|(argument, (parameter, takes))| {
        let [only] = argument else { return None };
        let text = only.text(source);
        let is_text =
            only.kind != TokenKind::Number && !(only.kind == TokenKind::Word && ["true", "false"].contains(&text));
        if is_text || *takes == Takes::Any {
            return None;
        }
        let message = format!("`{}` is given `{text}` as its `{parameter}`, which must be a text", signature.name);
        Some(Issue::at(place(source, only.start), message).advised(format!("write `\"{text}\"`")))
    });
    numbers.collect()
}

/// The arguments of a call that has just been opened, or None where commas may mean something else.
fn arguments(tokens: &[Token]) -> Option<Vec<&[Token]>> {
    let (mut depth, mut begin, mut found) = (0_usize, 0, Vec::new());
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Open(_) | TokenKind::ObjectOpen | TokenKind::ExpressionOpen | TokenKind::TemplateStart => {
                depth += 1;
            }
            TokenKind::Close(_) if depth == 0 => {
                found.push(tokens.get(begin..index)?);
                // Nothing at all, and a comma at the end, are no arguments.
                found.retain(|argument| !argument.is_empty());
                return Some(found);
            }
            TokenKind::Close(_) | TokenKind::TemplateEnd => depth = depth.checked_sub(1)?,
            TokenKind::Punctuation(b',') if depth == 0 => {
                found.push(tokens.get(begin..index)?);
                begin = index + 1;
            }
            // A closure has commas of its own.
            TokenKind::Punctuation(b'|') if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// What compiles and is probably not meant.
pub(super) fn warnings(source: &str) -> Vec<Issue> {
    let tokens = lex(source);
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let text = token.text(source);
        let at = place(source, token.start);
        if token.kind == TokenKind::Literal && text.starts_with('"') && text.contains("${") {
            let message = "a text in quotes keeps `${…}` as it is";
            found.push(Issue::at(at, message).advised("write it between backticks: `text ${name}`"));
        }
        if let [block, minus, number, ..] = tokens.get(index..).unwrap_or_default()
            && block.kind == TokenKind::Close(b'}')
            && minus.is(b'-')
            && number.kind == TokenKind::Number
            && source.get(block.end..minus.start).is_some_and(|between| between.contains('\n'))
        {
            let message = "this is subtracted from the block above";
            let advice = format!("write `return -{};`", number.text(source));
            found.push(Issue::at(place(source, minus.start), message).advised(advice));
        }
        if token.kind == TokenKind::TemplateStart && is_json_template(source, tokens.get(index..).unwrap_or_default()) {
            let message = "JSON made by a template breaks at the first quote in a value";
            found.push(Issue::at(at, message).advised("build it with `rustbill_host::json_stringify(#{ … })`"));
        }
    }
    found.extend(misuse::warnings(source, &tokens));
    found.sort_by_key(|issue| (issue.line, issue.column));
    found.into_iter().map(|issue| issue.quoting(source)).collect()
}

/// Whether a template looks like JSON and has a value filled in.
fn is_json_template(source: &str, tokens: &[Token]) -> bool {
    let [start, next, ..] = tokens else { return false };
    let text = source.get(start.end..next.start).unwrap_or_default().trim_start();
    next.kind == TokenKind::ExpressionOpen && (text.starts_with("{\"") || text.starts_with("[{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(issues: &[Issue]) -> Vec<String> {
        issues.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arguments_are_counted_at_their_own_depth() {
        let sound = "rustbill_host::json_get(f(a, b), `x${g(1, 2)},`);\nrustbill_host::now();\n\
                     rustbill_host::json_stringify(#{a: 1, b: [2, 3]});\nrustbill_host::state_get(x,);\n\
                     rustbill_host::random_hex(8); rustbill_host::unknown(1, 2, 3); rustbill_host::md5_hex(|a, b| a)";
        assert_eq!(shown(&host_calls(sound)), Vec::<String>::new());
        let wrong = "// 汉\nlet a = rustbill_host::json_get(x);\n  rustbill_host::now(1);\n`${rustbill_host::state_set(\"a\")}`";
        assert_eq!(
            shown(&host_calls(wrong)),
            [
                "2:24 `json_get` is given 1 of 2 arguments; write `json_get(json, path)`",
                "3:18 `now` is given 1 of 0 arguments; write `now()`",
                "4:19 `state_set` is given 1 of 2 arguments; write `state_set(key, value)`",
            ]
        );
        assert_eq!(
            shown(&host_calls("rustbill_host::state_set(\"a\", 5)")),
            ["1:31 `state_set` is given `5` as its `value`, which must be a text; write `\"5\"`"]
        );
    }

    #[test]
    fn what_hardly_means_what_it_says() {
        let source = "\"a ${b}\";\n`{\"a\":\"${b}\"}`; `{\"a\":1}`; `a ${b}`; \"$\"\nif a { b }\n-1";
        assert_eq!(
            shown(&warnings(source)),
            [
                "1:1 a text in quotes keeps `${…}` as it is; write it between backticks: `text ${name}`",
                "2:1 JSON made by a template breaks at the first quote in a value; \
                 build it with `rustbill_host::json_stringify(#{ … })`",
                "4:1 this is subtracted from the block above; write `return -1;`",
            ]
        );
    }
}
