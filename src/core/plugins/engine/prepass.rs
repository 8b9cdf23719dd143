//! Turns the dialect of the plugin documentation into the Rune that 0.14 compiles.
//!
//! Five rewrites, none of which touches text that Rune accepts today:
//! - `text[a:b]` becomes `text[a..b]`;
//! - a keyword as the key of an object, `enum: x`, becomes `"enum": x`;
//! - `let mut x` and `let x: Type = ..` lose `mut` and the type, which Rune does not know;
//! - a template directly after `return` gets parentheses, without which Rune takes it for a second statement;
//! - an example pasted with its wrapper `#![allow(unused)] fn main() { .. }` loses the wrapper.
//!
//! What is removed is overwritten with spaces, what is inserted is remembered, so that every position can be told in
//! the author's own text.

use super::lexer::{Token, TokenKind, lex};

/// Words that Rune reserves, with or without a meaning today.
const KEYWORDS: [&str; 52] = [
    "abstract", "alignof", "as", "async", "await", "become", "break", "const", "continue", "crate", "default", "do",
    "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "is", "let", "loop", "macro", "match",
    "mod", "move", "mut", "not", "offsetof", "override", "priv", "proc", "pub", "pure", "ref", "return", "select",
    "self", "sizeof", "static", "struct", "super", "true", "typeof", "unsafe", "use", "virtual", "while", "yield",
];

/// A source ready for Rune, with the way back to the author's text.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What Rune compiles.
    pub(super) text: String,
    /// What the author wrote.
    original: String,
    /// Per edit the end of what it wrote and the end of what it replaced, in ascending order.
    edits: Vec<(usize, usize)>,
}

/// A replacement of `start..end`.
struct Edit {
    start: usize,
    end: usize,
    with: Replacement,
}

enum Replacement {
    /// Overwrite with spaces, keeping line breaks and the length.
    Blank,
    /// Write this text.
    Text(&'static str),
}

impl Prepared {
    /// Line and column (from 1, in characters) in the author's text of a byte offset in [`Prepared::text`].
    pub(super) fn position(&self, offset: usize) -> (u32, u32) {
        let index = self.edits.partition_point(|(written, _)| *written <= offset);
        let original = match index.checked_sub(1).and_then(|i| self.edits.get(i)) {
            Some((written, replaced)) => replaced + (offset - written),
            None => offset,
        };
        place(&self.original, original)
    }
}

/// Line and column (from 1, in characters) of a byte offset in `text`.
pub(super) fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// Rewrites `source` as the module documentation says.
pub(super) fn prepare(source: &str) -> Prepared {
    let tokens = lex(source);
    let mut edits = Vec::new();
    strip_wrapper(source, &tokens, &mut edits);
    rewrite_brackets(source, &tokens, &mut edits);
    strip_let(source, &tokens, &mut edits);
    wrap_templates(source, &tokens, &mut edits);
    edits.sort_by_key(|edit| edit.start);

    let mut text = String::with_capacity(source.len() + 64);
    let mut marks = Vec::new();
    let mut done = 0;
    for edit in edits {
        // Two rewrites never overlap in sound source; in broken source the first one wins.
        let (Some(before), Some(old)) = (source.get(done..edit.start), source.get(edit.start..edit.end)) else {
            continue;
        };
        text.push_str(before);
        match edit.with {
            Replacement::Text(new) => {
                text.push_str(new);
                marks.push((text.len(), edit.end));
            }
            Replacement::Blank => {
                text.extend(old.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            }
        }
        done = edit.end;
    }
    text.push_str(source.get(done..).unwrap_or_default());
    Prepared { text, original: source.to_owned(), edits: marks }
}

fn blank(edits: &mut Vec<Edit>, start: usize, end: usize) {
    edits.push(Edit { start, end, with: Replacement::Blank });
}

fn write(edits: &mut Vec<Edit>, start: usize, end: usize, text: &'static str) {
    edits.push(Edit { start, end, with: Replacement::Text(text) });
}

/// Blanks `#![..]` at the top, and a `fn main() { .. }` around everything else.
fn strip_wrapper(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    let mut rest = tokens;
    while let [hash, bang, open, ..] = rest
        && hash.is(b'#')
        && bang.is(b'!')
        && open.kind == TokenKind::Open(b'[')
    {
        let Some(close) = matching(rest, 2) else {
            return;
        };
        let Some(last) = rest.get(close) else { return };
        blank(edits, hash.start, last.end);
        rest = rest.get(close + 1..).unwrap_or_default();
    }
    let [function, name, open, close, body, inner @ ..] = rest else {
        return;
    };
    let is_main = function.is_word(source, "fn")
        && name.is_word(source, "main")
        && open.kind == TokenKind::Open(b'(')
        && close.kind == TokenKind::Close(b')')
        && body.kind == TokenKind::Open(b'{');
    let wraps_functions = inner.iter().any(|token| token.is_word(source, "fn"));
    if is_main
        && wraps_functions
        && matching(rest, 4) == Some(rest.len() - 1)
        && let Some(last) = rest.last()
    {
        blank(edits, function.start, body.end);
        blank(edits, last.start, last.end);
    }
}

/// Index of the bracket that closes the one at `open`.
fn matching(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            TokenKind::Open(_) | TokenKind::ObjectOpen | TokenKind::ExpressionOpen => depth += 1,
            TokenKind::Close(_) => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// Puts parentheses around a template whose place in the grammar is an optional value.
fn wrap_templates(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    for (index, pair) in tokens.windows(2).enumerate() {
        let [word, start] = pair else { continue };
        let optional = ["return", "break", "yield"].iter().any(|w| word.is_word(source, w));
        if !optional || start.kind != TokenKind::TemplateStart {
            continue;
        }
        let mut depth = 0_usize;
        let end = tokens.iter().skip(index + 1).find(|token| {
            match token.kind {
                TokenKind::TemplateStart => depth += 1,
                TokenKind::TemplateEnd => depth -= 1,
                _ => return false,
            }
            depth == 0
        });
        if let Some(end) = end {
            write(edits, start.start, start.start, "(");
            write(edits, end.end, end.end, ")");
        }
    }
}

/// What the innermost open bracket is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Object,
    Index,
    Other,
}

/// Slices and keyword keys, which both depend on the bracket around them.
fn rewrite_brackets(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    let mut open: Vec<Inside> = Vec::new();
    let mut previous: Option<&Token> = None;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::ObjectOpen => open.push(Inside::Object),
            TokenKind::Open(b'[') if previous.is_some_and(|p| ends_value(source, p)) => {
                open.push(Inside::Index);
            }
            TokenKind::Open(_) | TokenKind::ExpressionOpen => open.push(Inside::Other),
            TokenKind::Close(_) => {
                open.pop();
            }
            TokenKind::Punctuation(b':') if open.last() == Some(&Inside::Index) => {
                write(edits, token.start, token.end, "..");
            }
            TokenKind::Word if open.last() == Some(&Inside::Object) => {
                let at_key = previous.is_some_and(|p| p.is(b',') || p.kind == TokenKind::ObjectOpen);
                let has_value = tokens.get(index + 1).is_some_and(|next| next.is(b':'));
                if at_key && has_value && KEYWORDS.contains(&token.text(source)) {
                    write(edits, token.start, token.start, "\"");
                    write(edits, token.end, token.end, "\"");
                }
            }
            _ => {}
        }
        previous = Some(token);
    }
}

/// Whether a `[` after this token indexes it, rather than beginning an array.
fn ends_value(source: &str, token: &Token) -> bool {
    match token.kind {
        TokenKind::Word => {
            let word = token.text(source);
            word == "self" || !KEYWORDS.contains(&word)
        }
        TokenKind::Literal | TokenKind::TemplateEnd | TokenKind::Close(b')' | b']') => true,
        _ => false,
    }
}

/// Removes `mut` and the type from the pattern of every `let`.
fn strip_let(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    for (index, token) in tokens.iter().enumerate() {
        if token.is_word(source, "let") {
            strip_pattern(source, tokens.get(index + 1..).unwrap_or_default(), edits);
        }
    }
}

fn strip_pattern(source: &str, tokens: &[Token], edits: &mut Vec<Edit>) {
    let mut depth = 0_usize;
    let mut kind_from = None;
    for token in tokens {
        match token.kind {
            TokenKind::Open(b'{') if depth == 0 => return,
            TokenKind::Open(_) | TokenKind::ObjectOpen => depth += 1,
            TokenKind::Close(_) => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return,
            },
            TokenKind::Word if token.text(source) == "mut" && kind_from.is_none() => {
                blank(edits, token.start, token.end);
            }
            TokenKind::Punctuation(b':') if depth == 0 && kind_from.is_none() => {
                kind_from = Some(token.start);
            }
            TokenKind::Punctuation(b'=' | b';') if depth == 0 => {
                if let Some(start) = kind_from {
                    blank(edits, start, token.start);
                }
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        prepare(source).text
    }

    #[test]
    fn slices() {
        assert_eq!(text("a[1:2] b[x:] \"c\"[:n] f()[a:b]"), "a[1..2] b[x..] \"c\"[..n] f()[a..b]");
        let untouched = "[#{a: 1}] return [x::y] a[b::C] `t[1:2]` \"t[1:2]\" // a[1:2]\nin [#{b: 1}] a[#{c: 1}]";
        assert_eq!(text(untouched), untouched);
    }

    #[test]
    fn keyword_keys() {
        assert_eq!(text("#{enum: 1, a: 2, default: #{not: 3}}"), "#{\"enum\": 1, a: 2, \"default\": #{\"not\": 3}}");
        let untouched = "#{a: if x { 1 } else { 2 }, \"enum\": 3} match x { true => 1 }";
        assert_eq!(text(untouched), untouched);
    }

    #[test]
    fn lets() {
        assert_eq!(text("let mut i = 0;"), "let     i = 0;");
        assert_eq!(text("let x: Option<i64> = Some(1);"), "let x              = Some(1);");
        assert_eq!(text("let (mut a, b): (i64, i64) = c;"), "let (    a, b)             = c;");
        let untouched = "if let Some(x) = y { #{a: 1} } let #{a: b} = c; let x = #{k: 1};";
        assert_eq!(text(untouched), untouched);
    }

    #[test]
    fn returned_templates() {
        assert_eq!(text("return `a ${`b`} c`; x"), "return (`a ${`b`} c`); x");
        assert_eq!(text("return `a`[0:1] + `b`;"), "return (`a`)[0..1] + `b`;");
        assert_eq!(text("return `a"), "return `a");
    }

    #[test]
    fn wrapper() {
        let source = "#![allow(unused)]\nfn main() {\nfn a(x, y) { x }\n}\n";
        assert_eq!(text(source), "                 \n           \nfn a(x, y) { x }\n \n");
        let untouched = "fn main() { 1 }\nfn a() { fn b() {} }";
        assert_eq!(text(untouched), untouched);
        assert_eq!(text("fn main() { 1 }"), "fn main() { 1 }");
    }

    #[test]
    fn positions_lead_back() {
        let source = "let 汉 = a[1:2];\n#{enum: é, ref: x}";
        let prepared = prepare(source);
        for needle in ["汉", "2", "]", "é", "x", "enum", "ref"] {
            let at = prepared.text.find(needle).unwrap();
            let (line, column) = prepared.position(at);
            let found: String = source
                .lines()
                .nth(line as usize - 1)
                .unwrap()
                .chars()
                .skip(column as usize - 1)
                .take(needle.chars().count())
                .collect();
            assert_eq!(found, needle);
        }
        assert_eq!(prepared.position(usize::MAX >> 1).0, 2);
    }
}
