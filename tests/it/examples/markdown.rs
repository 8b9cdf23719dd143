//! The `grpcurl` lines of the documentation.

use std::path::{Path, PathBuf};

/// A call that the documentation shows.
pub(crate) struct Example {
    /// Where it stands.
    pub(crate) place: String,
    /// Headers by name.
    pub(crate) headers: Vec<(String, String)>,
    /// The request as JSON.
    pub(crate) data: String,
    /// `package.Service/Method`, or a word such as `list`.
    pub(crate) call: String,
}

/// All of them, in all pages of the project.
pub(crate) fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    for page in pages(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let text = std::fs::read_to_string(&page).unwrap();
        for (line, command) in commands(&text) {
            found.push(read(format!("{}:{line}", page.display()), &command));
        }
    }
    found
}

fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The commands in fenced blocks, with the number of their first line; a backslash at its end continues a line.
fn commands(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced && line.starts_with("grpcurl ") {
            let mut command = line.to_owned();
            while let Some(begun) = command.strip_suffix('\\') {
                command = format!("{begun}{}", lines.next().unwrap().0);
            }
            found.push((number, command));
        }
    }
    found
}

fn read(place: String, command: &str) -> Example {
    let mut words = shell_words::split(command).unwrap_or_else(|error| panic!("{place}: {error}")).into_iter().skip(1);
    let mut example = Example { place, headers: Vec::new(), data: "{}".to_owned(), call: String::new() };
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-plaintext" | "-v" => {}
            "-H" => {
                let header = words.next().unwrap();
                let (name, value) = header.split_once(": ").unwrap_or_else(|| panic!("{}: {header}", example.place));
                example.headers.push((name.to_owned(), value.to_owned()));
            }
            "-d" => example.data = words.next().unwrap(),
            other => {
                assert!(!other.starts_with('-'), "{}: the option {other} is not known here", example.place);
                rest.push(word);
            }
        }
    }
    let [address, call] = rest.as_slice() else { panic!("{}: {rest:?}", example.place) };
    assert!(["localhost:50051", "127.0.0.1:50051"].contains(&address.as_str()), "{}: {address}", example.place);
    example.call.clone_from(call);
    example
}
