//! What a script must define, checked on its syntax tree before anything runs.

use rune::SourceId;
use rune::ast::{self, Spanned};

use super::error::Issue;
use super::kind::{Kind, OPTIONAL_FUNCTIONS};
use super::prepass::Prepared;
use super::stubs;

/// The engine passes the configuration and a unit to every function.
const PARAMETERS: usize = 2;

/// Names that the second source uses.
const RESERVED_PREFIX: &str = "__";

/// The prefix of the functions through which the engine enters a script.
pub(super) const ENTRY_PREFIX: &str = "__entry_";

/// A top-level function of a script.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) parameters: usize,
    pub(super) is_async: bool,
    is_const: bool,
    /// Where the name stands in the prepared text.
    pub(super) name_at: usize,
    /// The whole function in the prepared text.
    pub(super) span: std::ops::Range<usize>,
}

impl Function {
    /// Whether the engine can call it.
    pub(super) fn is_entry(&self) -> bool {
        self.parameters == PARAMETERS
    }
}

/// Parses the script and lists its top-level functions in order.
pub(super) fn functions(prepared: &Prepared) -> Result<Vec<Function>, Issue> {
    let text = &prepared.text;
    let file = rune::parse::parse_all::<ast::File>(text, SourceId::new(0), true)
        .map_err(|error| Issue::at(prepared.position(error.span().range().start), error.to_string()))?;
    let found = file.items.iter().filter_map(|(item, _)| match item {
        ast::Item::Fn(function) => {
            let name = function.name.span().range();
            Some(Function {
                name: text.get(name.clone())?.to_owned(),
                parameters: function.args.len(),
                is_async: function.async_token.is_some(),
                is_const: function.const_token.is_some(),
                name_at: name.start,
                span: function.span().range(),
            })
        }
        _ => None,
    });
    Ok(found.collect())
}

/// Everything in which the functions break the contract of `kind`.
pub(super) fn check(kind: Kind, functions: &[Function], prepared: &Prepared) -> Vec<Issue> {
    let mut issues = Vec::new();
    let at = |function: &Function, message: String| Issue::at(prepared.position(function.name_at), message);
    for (index, function) in functions.iter().enumerate() {
        let name = &function.name;
        if name.starts_with(RESERVED_PREFIX) {
            let message = format!("`{name}` begins with `{RESERVED_PREFIX}`, which is reserved");
            issues.push(at(function, message).advised("rename the function"));
        }
        if functions.iter().take(index).any(|earlier| earlier.name == *name) {
            issues.push(at(function, format!("`{name}` is defined twice")).advised("remove one"));
        }
    }
    let optional = OPTIONAL_FUNCTIONS.iter().map(|name| (name, false));
    for (name, required) in kind.required().iter().map(|name| (name, true)).chain(optional) {
        match functions.iter().find(|function| function.name == *name) {
            Some(function) if !function.is_entry() => {
                let count = function.parameters;
                let noun = if count == 1 { "parameter" } else { "parameters" };
                let message = format!("`{name}` takes {count} {noun}, every plugin function takes {PARAMETERS}");
                let word = if function.is_async { "async fn" } else { "fn" };
                let advice = format!("declare two: `{word} {name}(merged, _unused)`");
                issues.push(at(function, message).advised(advice));
            }
            None if required => {
                let message = format!("missing required function `{name}` of a {kind} plugin");
                issues.push(match look_alike(name, functions) {
                    Some(function) => at(function, message).advised(format!("rename `{}` to `{name}`", function.name)),
                    None => Issue::whole_file(message).advised(format!("add `{}`", stubs::of(name))),
                });
            }
            _ => {}
        }
    }
    issues
}

/// A function whose name is probably a misspelling of `name`.
fn look_alike<'a>(name: &str, functions: &'a [Function]) -> Option<&'a Function> {
    let plain = |word: &str| word.replace('_', "").to_ascii_lowercase();
    let wanted = plain(name);
    functions.iter().find(|function| {
        let known = Kind::ALL.iter().any(|kind| kind.required().contains(&function.name.as_str()));
        !known && distance_at_most_2(&wanted, &plain(&function.name))
    })
}

/// Whether two words differ by at most two insertions, deletions or changes of a letter.
fn distance_at_most_2(left: &str, right: &str) -> bool {
    fn within(left: &[u8], right: &[u8], left_over: u8) -> bool {
        match (left, right) {
            ([a, left_rest @ ..], [b, right_rest @ ..]) if a == b => within(left_rest, right_rest, left_over),
            ([], []) => true,
            _ if left_over == 0 => false,
            ([], rest) | (rest, []) => rest.len() <= usize::from(left_over),
            ([_, left_rest @ ..], [_, right_rest @ ..]) => {
                let less = left_over - 1;
                within(left_rest, right_rest, less) || within(left, right_rest, less) || within(left_rest, right, less)
            }
        }
    }
    within(left.as_bytes(), right.as_bytes(), 2)
}

/// The second source of the same module, which makes the script's private functions reachable.
///
/// Rune drops private functions that nothing calls, bodies unchecked. The entries export what the engine calls, and
/// `__keep` refers to every function, so that unused helpers are checked too.
pub(super) fn second_source(functions: &[Function]) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    for function in functions.iter().filter(|function| function.is_entry()) {
        let name = &function.name;
        let (before, after) = if function.is_async { ("async ", ".await") } else { ("", "") };
        // Writing to a `String` cannot fail.
        let _ =
            writeln!(text, "pub {before}fn {ENTRY_PREFIX}{name}(config, unused) {{ {name}(config, unused){after} }}");
    }
    let kept: Vec<&str> =
        functions.iter().filter(|function| !function.is_const).map(|function| function.name.as_str()).collect();
    let _ = writeln!(text, "pub fn __keep() {{ [{}] }}", kept.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use super::super::prepass::prepare;
    use super::*;

    fn issues(kind: Kind, source: &str) -> Vec<String> {
        let prepared = prepare(source);
        match functions(&prepared) {
            Ok(found) => check(kind, &found, &prepared).iter().map(Issue::to_string).collect(),
            Err(issue) => vec![issue.to_string()],
        }
    }

    const NOTIFIER: &str = "fn config_schema(c, u) {}\nfn initialize(c, u) {}\nasync fn send(c, u) {}\n\
                            fn supported_events(c, u) {}\nfn templates(c, u) {}\nfn health_check(c, u) {}\n";

    #[test]
    fn sound_script() {
        assert_eq!(issues(Kind::Notifier, NOTIFIER), Vec::<String>::new());
    }

    #[test]
    fn misspelt_missing_and_wrong_arity() {
        let source = NOTIFIER
            .replace("supported_events", "supportedEvents")
            .replace("fn send(c, u)", "fn send(c)")
            .replace("fn templates(c, u) {}", "let");
        assert_eq!(issues(Kind::Notifier, &source).len(), 1, "a syntax error hides the rest");

        let source = source.replace("let\n", "\n") + "fn version(c) {}";
        assert_eq!(
            issues(Kind::Notifier, &source),
            [
                "3:10 `send` takes 1 parameter, every plugin function takes 2; \
                 declare two: `async fn send(merged, _unused)`",
                "4:4 missing required function `supported_events` of a notifier plugin; \
                 rename `supportedEvents` to `supported_events`",
                "missing required function `templates` of a notifier plugin; \
                 add `fn templates(_merged, _unused) { #{} }`",
                "7:4 `version` takes 1 parameter, every plugin function takes 2; \
                 declare two: `fn version(merged, _unused)`",
            ]
        );
    }

    #[test]
    fn duplicates_and_reserved_names() {
        let source = format!("{NOTIFIER}fn __keep() {{}}\nfn send(c, u) {{}}");
        let found = issues(Kind::Notifier, &source);
        assert!(found[0].starts_with("7:4 `__keep` begins with"), "{found:?}");
        assert_eq!(found[1], "8:4 `send` is defined twice; remove one");
    }

    #[test]
    fn distances() {
        assert!(distance_at_most_2("refund", "refunds"));
        assert!(distance_at_most_2("createpayment", "cratepaymnt"));
        assert!(!distance_at_most_2("send", "initialize"));
    }
}
