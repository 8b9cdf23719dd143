//! Futures that nobody waits for, and fields of a text: both compile, and fail only when the line is reached.

use super::error::Issue;
use super::kind::{ACTION_PREFIX, Kind};
use super::lexer::{Token, TokenKind};
use super::prepass::place;

/// A function while its tokens are walked.
struct Current<'a> {
    is_async: bool,
    is_entry: bool,
    /// The first parameter of a function that the engine calls, which holds JSON text.
    text: Option<&'a str>,
}

/// What compiles and fails when it is reached.
pub(super) fn warnings(source: &str, tokens: &[Token]) -> Vec<Issue> {
    let helpers = async_functions(source, tokens);
    let joins = tokens.windows(2).any(|pair| matches!(pair, [a, b] if is_path(a) && b.is_word(source, "join")));
    let mut current = Current { is_async: false, is_entry: false, text: None };
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let (before, rest) = tokens.split_at(index);
        if token.is_word(source, "fn") {
            current = enter(source, before, rest);
            continue;
        }
        let follows = before.last().is_some_and(|last| last.is(b'.') || is_path(last) || last.is_word(source, "fn"));
        if token.kind != TokenKind::Word || follows {
            continue;
        }
        if !joins && helpers.contains(&token.text(source)) {
            found.extend(not_awaited(source, tokens, index, &current));
        }
        if current.text == Some(token.text(source)) {
            found.extend(field_of_text(source, rest));
        }
    }
    found
}

fn is_path(token: &Token) -> bool {
    token.kind == TokenKind::DoubleColon
}

/// The names behind `async fn`.
fn async_functions<'a>(source: &'a str, tokens: &[Token]) -> Vec<&'a str> {
    let named = tokens.windows(3).filter_map(|window| match window {
        [first, second, name] if first.is_word(source, "async") && second.is_word(source, "fn") => {
            Some(name.text(source))
        }
        _ => None,
    });
    named.collect()
}

/// The function whose `fn` is the first of `rest`.
fn enter<'a>(source: &'a str, before: &[Token], rest: &[Token]) -> Current<'a> {
    let is_async = before.last().is_some_and(|last| last.is_word(source, "async"));
    let [_, name, open, first, ..] = rest else { return Current { is_async, is_entry: false, text: None } };
    let name = name.text(source);
    let is_entry = name.starts_with(ACTION_PREFIX) || Kind::ALL.into_iter().any(|kind| kind.required().contains(&name));
    let is_named = is_entry && open.kind == TokenKind::Open(b'(') && first.kind == TokenKind::Word;
    let text = first.text(source);
    // One that is given another value may be anything.
    let is_kept = !body(rest).windows(3).any(|window| match window {
        [name, equals, next] => name.is_word(source, text) && equals.is(b'=') && !next.is(b'='),
        _ => false,
    });
    Current { is_async, is_entry, text: (is_named && is_kept).then_some(text) }
}

/// From `fn` to the brace that closes the function's body.
fn body(rest: &[Token]) -> &[Token] {
    let begin = rest.iter().position(|token| token.kind == TokenKind::Open(b'{')).unwrap_or(rest.len());
    let end = closing(rest, begin).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// The place of the token that closes what is opened at `begin`.
fn closing(tokens: &[Token], begin: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(begin) {
        match token.kind {
            TokenKind::Open(_) | TokenKind::ObjectOpen | TokenKind::ExpressionOpen => depth += 1,
            TokenKind::Close(_) => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

fn not_awaited(source: &str, tokens: &[Token], index: usize, current: &Current<'_>) -> Option<Issue> {
    let call = tokens.get(index)?;
    let open = tokens.get(index + 1).filter(|open| open.kind == TokenKind::Open(b'('))?;
    let close = closing(tokens, index + 1)?;
    let behind = tokens.get(close + 1..).unwrap_or_default();
    if is_awaited(source, behind) {
        return None;
    }
    // A helper may hand the future on to one who waits for it.
    let is_last = behind.first().is_some_and(|next| next.kind == TokenKind::Close(b'}'));
    if is_last && !current.is_async && !current.is_entry {
        return None;
    }
    if let [.., bind, name, equals] = tokens.get(..index)?
        && bind.is_word(source, "let")
        && equals.is(b'=')
        && waits_for(source, behind, name.text(source))
    {
        return None;
    }
    let name = call.text(source);
    let given = source.get(open.end..tokens.get(close)?.start).unwrap_or_default();
    let given = if given.contains('\n') || given.chars().count() > 60 { "…" } else { given };
    let place_of_it = if current.is_async { "" } else { ", in a function that begins with `async fn`" };
    let message = format!("`{name}` is async, and nobody waits for what it gives");
    let advice = format!("write `{name}({given}).await`{place_of_it}");
    Some(Issue::at(place(source, call.start), message).advised(advice))
}

fn is_awaited(source: &str, behind: &[Token]) -> bool {
    matches!(behind, [dot, word, ..] if dot.is(b'.') && word.is_word(source, "await"))
}

/// Whether the variable is awaited later.
fn waits_for(source: &str, behind: &[Token], name: &str) -> bool {
    behind.iter().enumerate().any(|(index, token)| {
        token.is_word(source, name) && is_awaited(source, behind.get(index + 1..).unwrap_or_default())
    })
}

/// `merged.title` and `merged["title"]`; methods such as `merged.len()` are those of texts.
fn field_of_text(source: &str, rest: &[Token]) -> Option<Issue> {
    let [name, sign, field, behind, ..] = rest else { return None };
    let is_field = sign.is(b'.') && field.kind == TokenKind::Word && behind.kind != TokenKind::Open(b'(');
    let is_key = sign.kind == TokenKind::Open(b'[') && field.kind == TokenKind::Literal;
    if !is_field && !is_key {
        return None;
    }
    let (text, field) = (name.text(source), field.text(source).trim_matches('"'));
    let message = format!("`{text}` is a text and has no field `{field}`");
    let advice = format!("write `rustbill_host::json_get({text}, \"{field}\")`");
    Some(Issue::at(place(source, name.start), message).advised(advice))
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    fn shown(source: &str) -> Vec<String> {
        warnings(source, &lex(source)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn futures_that_nobody_waits_for() {
        let helper = "async fn ask(m) { \"y\" }\n";
        for sound in [
            "async fn send(merged, _u) { ask(merged).await }",
            "async fn send(merged, _u) { let a = ask(merged); let b = 1; a.await }",
            "fn handed_on(m) { ask(m) }",
            "async fn send(merged, _u) { x.ask(merged); other::ask(merged); let ask = 1; }",
            "async fn send(merged, _u) { std::future::join([ask(1), ask(2)]).await }",
        ] {
            assert_eq!(shown(&format!("{helper}{sound}")), Vec::<String>::new(), "{sound}");
        }
        for (wrong, words) in [
            (
                "async fn send(merged, _u) { let a = ask(merged); if a == \"y\" { 1 } }",
                "2:37 `ask` is async, and nobody waits for what it gives; write `ask(merged).await`",
            ),
            (
                "fn send(merged, _u) { ask(merged) }",
                "2:23 `ask` is async, and nobody waits for what it gives; write `ask(merged).await`, in a function \
                 that begins with `async fn`",
            ),
        ] {
            assert_eq!(shown(&format!("{helper}{wrong}")), [words]);
        }
    }

    #[test]
    fn fields_of_a_text() {
        let source = "fn send(merged, _u) { merged.title; merged[\"body\"]; merged.len(); merged[0:3]; x.merged.a; }\n\
                      fn helper(merged) { merged.title }\n\
                      fn admin_list(merged, _u) { let merged = rustbill_host::json_parse(merged); merged.title }";
        assert_eq!(
            shown(source),
            [
                "1:23 `merged` is a text and has no field `title`; write `rustbill_host::json_get(merged, \"title\")`",
                "1:37 `merged` is a text and has no field `body`; write `rustbill_host::json_get(merged, \"body\")`",
            ]
        );
    }

    #[test]
    fn broken_text_is_no_trouble() {
        for source in
            ["async fn a", "fn send(", "fn send(merged", "async fn a(m) {} a(", "fn send(merged, u) { merged."]
        {
            assert_eq!(shown(source), Vec::<String>::new(), "{source}");
        }
    }
}
