//! What authors get wrong most often, and the exact words that they read.

use super::*;

fn compiled(source: String) -> Result<(), Vec<Issue>> {
    on_large_stack(move || Bench::new(Limits::default()).machine.load((Kind::Notifier, "h".into()), "t", &source))
}

/// The first complaint about a notifier whose `send` has this body.
fn said(body: &str) -> String {
    compiled(notifier(body, "")).unwrap_err()[0].to_string()
}

/// How `send` with this body fails when it runs.
fn failed(body: &str) -> String {
    let source = notifier(body, "");
    let failure = on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        bench.call("send", &json!({})).unwrap_err()
    });
    let CallError::Script { message, .. } = failure else { panic!("{failure}") };
    message
}

#[test]
fn one_parameter() {
    let source = notifier("Ok(())", "").replace("fn templates(c, u)", "fn templates(c)");
    let issues = compiled(source).unwrap_err();
    assert_eq!(
        issues[0].to_string(),
        "4:4 `templates` takes 1 parameter, every plugin function takes 2; declare two: `fn templates(merged, _unused)`"
    );
    assert_eq!(issues[0].excerpt().unwrap(), "4 | fn templates(c) { #{} }\n  |    ^");
}

#[test]
fn a_name_in_another_style_and_a_missing_function() {
    let source = notifier("Ok(())", "").replace("supported_events", "supportedEvents");
    assert_eq!(
        compiled(source).unwrap_err()[0].to_string(),
        "3:4 missing required function `supported_events` of a notifier plugin; \
         rename `supportedEvents` to `supported_events`"
    );
    let source = notifier("Ok(())", "").replace("fn templates(c, u) { #{} }", "");
    assert_eq!(
        compiled(source).unwrap_err()[0].to_string(),
        "missing required function `templates` of a notifier plugin; add `fn templates(_merged, _unused) { #{} }`"
    );
}

#[test]
fn writing_of_other_languages() {
    for (body, words) in [
        ("let x = {a: 1, b: 2};", "7:11 Expected expression but got `:`; write objects as `#{ key: value }`"),
        ("var x = 1;", "7:1 Expected expression to be terminated by a semicolon `;`; declare variables with `let`"),
        ("let x = null;", "7:9 there is no variable `null`; write `None`"),
        ("a === b", "7:5 Expected expression but got `=`; compare with `==` and `!=`"),
        (
            "println!(\"a\")",
            "7:1 there is no macro `println!`; write `rustbill_host::log_info(text)`, and look for the line in the \
             server's log",
        ),
        ("`costs $5`", "7:9 Unexpected character `5`; in a template a `$` stands before `{` only; write `\\$`"),
        ("let t = 'some text here';", "7:15 Expected `:` but got an identifier; write texts in double quotes"),
        ("for (let i = 0; i < 3; i++) {}", "7:6 Expected pattern but got `let` keyword; write `for i in 0..3 { … }`"),
        (
            "await rustbill_host::http_get(\"a\")",
            "7:1 Expected expression but got `await` keyword; write `.await` behind the call, or leave it out: host \
             functions need none",
        ),
        ("if a and b { 1 }", "7:6 Expected an opening brace `{` but got an identifier; write `&&`"),
        ("if not a { 1 }", "7:4 Expected expression but got `not` keyword; write `!` before what must not be"),
        (
            "if true {\n f();\nelse {\n}",
            "9:1 Expected expression but got `else` keyword; close the block above with `}` before `else`",
        ),
        ("1 +;", "7:4 Expected expression but got `;`; a value is missing here, behind the sign"),
        (
            "let x = a ? b : c;",
            "7:13 Expected `;` but got an identifier; there is no `a ? b : c`: write `if a { b } else { c }`",
        ),
        (
            "total + 1",
            "7:1 there is no variable `total`; declare it before with `let total = …;`, or read a field with \
             `rustbill_host::json_get(merged, \"total\")`",
        ),
    ] {
        assert_eq!(said(body), words, "{body}");
    }
    assert!(compiled(notifier("`costs \\$5`", "")).is_ok(), "the advice works");
}

#[test]
fn functions_of_other_languages() {
    for (word, place) in [("function", "9:10"), ("def", "9:5")] {
        assert_eq!(
            compiled(notifier("Ok(())", &format!("{word} helper(a, b) {{ 1 }}"))).unwrap_err()[0].to_string(),
            format!(
                "{place} Expected `!` but got an identifier; functions begin with `fn`, such as `fn helper(a, b) {{ … }}`"
            )
        );
    }
    assert_eq!(
        compiled(notifier("Ok(())", "async function helper(a) { 1 }")).unwrap_err()[0].to_string(),
        "9:1 Expected end of file, but got `async` keyword; functions begin with `fn`, or with `async fn`"
    );
}

#[test]
fn a_forgotten_await() {
    let source = notifier("let x = helper(merged); if x == \"y\" { 1 }", "async fn helper(m) { \"y\" }");
    let failure = on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        bench.call("send", &json!({})).unwrap_err()
    });
    assert!(failure.to_string().contains("without `.await`: write `name(…).await`"), "{failure}");
}

#[test]
fn something_is_not_closed() {
    assert_eq!(
        said("let x = [1,2"),
        "8:1 Expected a closing bracket `]` but got `}` delimiter; the `[` at 7:9 is never closed"
    );
    let open = said("let x = `abc");
    assert!(open.ends_with("; the backtick at 7:9 is never closed"), "{open}");
}

#[test]
fn host_functions() {
    for (body, words) in [
        (
            "rustbill_host::jsonGet(merged, \"a\")",
            "7:1 there is no host function `jsonGet`; did you mean `json_get(json, path)`?",
        ),
        (
            "json_get(merged, \"a\")",
            "7:1 there is no function `json_get`; host functions need their module: \
             `rustbill_host::json_get(json, path)`",
        ),
        ("rustbill_host::json_get(\"a\")", "7:16 `json_get` is given 1 of 2 arguments; write `json_get(json, path)`"),
        (
            "rustbill_host::state_set(\"a\", 1)",
            "7:31 `state_set` is given `1` as its `value`, which must be a text; write `\"1\"`",
        ),
    ] {
        assert_eq!(said(body), words, "{body}");
    }
    let source = notifier("Ok(())", "fn helper(a) { rustbill_host::http_get(a).await }");
    assert_eq!(
        compiled(source).unwrap_err()[0].to_string(),
        "9:16 Expression `.await` outside of async function or block; write `async fn` before the function's name, \
         or leave out `.await`: host functions need none"
    );
}

#[test]
fn failures_of_running_scripts() {
    for (body, words) in [
        ("\"a\".length", "Field `length` not available on `::std::string::String`, in `\"a\".length`; write `.len()`"),
        (
            "merged.title",
            "Field `title` not available on `::std::string::String`, in `merged.title`; the first parameter is JSON \
             text: read it with `rustbill_host::json_get(merged, \"name\")`",
        ),
        (
            "`${None}`",
            "Missing protocol function `DISPLAY_FMT` for `::std::option::Option`, in ``${None}``; an Option is no \
             text: take its value with `unwrap_or(\"\")`",
        ),
        (
            "\"5\" * 2",
            "Unsupported binary operation `MUL` on `::std::string::String` and `::std::i64`, in `\"5\" * 2`; make a \
             number of a text with `text.parse::<i64>().unwrap_or(0)`, a text of a number with `` `${number}` ``",
        ),
    ] {
        assert_eq!(failed(body), words, "{body}");
    }
}

#[test]
fn json_of_nested_values() {
    let body = r#"rustbill_host::json_stringify(#{
        none: None, some: Some(#{ a: [1, 2.5, true, None, Some("x")] }), list: [[], [#{}]], unit: (), text: "q\"汉",
    })"#;
    let source = notifier(body, "");
    on_large_stack(move || {
        let mut bench = Bench::new(Limits::default());
        bench.load(Kind::Notifier, &source);
        assert_eq!(
            bench.json("send", &json!({})),
            json!({ "none": null, "some": { "a": [1, 2.5, true, null, "x"] }, "list": [[], [{}]], "unit": null,
                "text": "q\"汉" })
        );
    });
}
