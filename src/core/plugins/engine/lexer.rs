//! A tolerant scanner for Rune source, enough to tell code from strings, templates and comments.
//!
//! It never fails: on text that is not Rune it yields some tokens and leaves the complaint to Rune's own parser.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// An identifier or keyword.
    Word,
    /// A number.
    Number,
    /// A string, byte string, character or label.
    Literal,
    /// The backtick that begins a template.
    TemplateStart,
    /// The backtick that ends a template.
    TemplateEnd,
    /// `#{`, which begins an object.
    ObjectOpen,
    /// `${`, which begins an expression in a template.
    ExpressionOpen,
    /// `{`, `(` or `[`.
    Open(u8),
    /// `}`, `)` or `]`.
    Close(u8),
    /// `::`, which is told apart from a lone `:`.
    DoubleColon,
    /// Any other single character.
    Punctuation(u8),
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// The token's text in `source`.
    pub(super) fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn is(&self, byte: u8) -> bool {
        self.kind == TokenKind::Punctuation(byte)
    }

    pub(super) fn is_word(&self, source: &str, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text(source) == word
    }
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    tokens: Vec<Token>,
    /// One entry per open brace: whether its `}` returns to the text of a template.
    braces: Vec<bool>,
}

/// Splits `source` into tokens, leaving out white space, comments and the text of templates.
pub(super) fn lex(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { bytes: source.as_bytes(), at: 0, tokens: Vec::new(), braces: Vec::new() };
    while lexer.at < lexer.bytes.len() {
        lexer.step();
    }
    lexer.tokens
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Adds a token of `length` bytes, clipped to the end of the text.
    fn push(&mut self, kind: TokenKind, length: usize) {
        let end = (self.at + length).min(self.bytes.len());
        self.tokens.push(Token { kind, start: self.at, end });
        self.at = end;
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (b'/', b'/') => {
                while self.at < self.bytes.len() && self.peek(0) != b'\n' {
                    self.at += 1;
                }
            }
            (b'/', b'*') => self.skip_block_comment(),
            (b'"', _) => self.quoted(0),
            (b'b', b'"' | b'\'') => self.quoted(1),
            (b'\'', _) => self.character(),
            (b'`', _) => {
                self.push(TokenKind::TemplateStart, 1);
                self.template();
            }
            (b'#', b'{') => {
                self.braces.push(false);
                self.push(TokenKind::ObjectOpen, 2);
            }
            (b'{', _) => {
                self.braces.push(false);
                self.push(TokenKind::Open(b'{'), 1);
            }
            (b'}', _) => {
                self.push(TokenKind::Close(b'}'), 1);
                if self.braces.pop() == Some(true) {
                    self.template();
                }
            }
            (open @ (b'(' | b'['), _) => self.push(TokenKind::Open(open), 1),
            (close @ (b')' | b']'), _) => self.push(TokenKind::Close(close), 1),
            (b':', b':') => self.push(TokenKind::DoubleColon, 2),
            (b'0'..=b'9', _) => self.number(),
            (byte, _) if is_word_byte(byte) => {
                let mut length = 1;
                while is_word_byte(self.peek(length)) {
                    length += 1;
                }
                self.push(TokenKind::Word, length);
            }
            (byte, _) if byte.is_ascii_whitespace() => self.at += 1,
            (byte, _) => self.push(TokenKind::Punctuation(byte), 1),
        }
    }

    fn skip_block_comment(&mut self) {
        self.at += 2;
        while self.at < self.bytes.len() && (self.peek(0), self.peek(1)) != (b'*', b'/') {
            self.at += 1;
        }
        self.at += 2;
    }

    /// A literal whose opening quote stands `offset` bytes ahead.
    fn quoted(&mut self, offset: usize) {
        let quote = self.peek(offset);
        let mut length = offset + 1;
        while self.at + length < self.bytes.len() {
            match self.peek(length) {
                b'\\' => length += 2,
                byte if byte == quote => break,
                _ => length += 1,
            }
        }
        self.push(TokenKind::Literal, length + 1);
    }

    /// `'a'` is a character, `'a` a label.
    fn character(&mut self) {
        if self.peek(1) == b'\\' {
            self.quoted(0);
            return;
        }
        let mut length = 2;
        while self.peek(length) & 0xC0 == 0x80 {
            length += 1;
        }
        if self.peek(length) == b'\'' {
            self.push(TokenKind::Literal, length + 1);
            return;
        }
        let mut length = 1;
        while is_word_byte(self.peek(length)) {
            length += 1;
        }
        self.push(TokenKind::Literal, length);
    }

    fn number(&mut self) {
        let mut length = 1;
        loop {
            let point = self.peek(length) == b'.' && self.peek(length + 1).is_ascii_digit();
            if !point && !is_word_byte(self.peek(length)) {
                break;
            }
            length += 1;
        }
        self.push(TokenKind::Number, length);
    }

    /// The text of a template, up to its end or the next `${`.
    fn template(&mut self) {
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\\', _) => self.at += 2,
                (b'`', _) => {
                    self.push(TokenKind::TemplateEnd, 1);
                    return;
                }
                (b'$', b'{') => {
                    self.braces.push(true);
                    self.push(TokenKind::ExpressionOpen, 2);
                    return;
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        lex(source).iter().map(|token| token.text(source)).collect()
    }

    #[test]
    fn strings_comments_and_templates() {
        assert_eq!(words("a // b\n/* c */ \"d\\\"e\" 'f' 'g: b\"h\""), ["a", "\"d\\\"e\"", "'f'", "'g", ":", "b\"h\""]);
        assert_eq!(
            words("`x ${ #{a: `y${b}`} } z` c"),
            ["`", "${", "#{", "a", ":", "`", "${", "b", "}", "`", "}", "}", "`", "c"]
        );
        assert_eq!(words("a::b 1.5 0..2 '汉'"), ["a", "::", "b", "1.5", "0", ".", ".", "2", "'汉'"]);
    }

    #[test]
    fn broken_text_ends() {
        for source in ["\"abc", "`abc ${", "/* x", "'", "'\\", "b\"", "}}}", "`a\\"] {
            for token in lex(source) {
                assert!(token.end <= source.len(), "{source}");
            }
        }
    }
}
