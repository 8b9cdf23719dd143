//! docs/plugins.md itself.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use rustbill::core::plugins::{Kind, Outcome};

use super::{failures, tried};

const PAGE: &str = include_str!("../../../docs/plugins.md");

/// A fenced block of the page: its language, the number of its first line, its text.
struct Block {
    language: String,
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (line, number) in page.lines().zip(1..) {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), line: number + 1, text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The file that the first line of a whole script names.
fn file_of(block: &Block) -> Option<&str> {
    let name = block.text.strip_prefix("// ")?.split(':').next()?;
    Kind::from_file_name(name).map(|_| name)
}

/// The script of the page with this name.
pub(super) fn script_of_the_guide(name: &str) -> String {
    blocks(PAGE).into_iter().find(|block| file_of(block) == Some(name)).unwrap().text
}

/// Every script of the page compiles and conforms; a part of one compiles inside a notifier.
#[tokio::test(flavor = "multi_thread")]
async fn every_script_of_the_guide_works() {
    let scripts: Vec<Block> = blocks(PAGE).into_iter().filter(|block| block.language == "rust").collect();
    let whole: Vec<&str> = scripts.iter().filter_map(file_of).collect();
    for word in ["gateway-", "notifier-", "provider-", "provider-rustbill.rn"] {
        assert!(whole.iter().any(|name| name.starts_with(word)), "there is no example of {word}");
    }
    let provider =
        scripts.iter().find(|block| file_of(block).is_some_and(|name| name.starts_with("provider-"))).unwrap();
    let template = rustbill::core::plugins::scaffold(Kind::Notifier, "part").unwrap().source;
    for block in &scripts {
        let place = format!("docs/plugins.md:{}", block.line);
        let found = match file_of(block) {
            // The upstream provider is the other one and three functions more.
            Some("provider-rustbill.rn") => {
                let source = format!("{}\n{}", provider.text, block.text);
                tried(Kind::UpstreamProvider, "provider-rustbill.rn", &source, None).await
            }
            Some(name) => tried(Kind::from_file_name(name).unwrap().0, name, &block.text, None).await,
            None if block.text.starts_with("fn ") || block.text.starts_with("async fn ") => {
                tried(Kind::Notifier, "part", &format!("{template}\n{}", block.text), None).await
            }
            None => {
                let source = format!("{template}\nasync fn part(merged) {{\n{}\n}}", block.text);
                tried(Kind::Notifier, "part", &source, None).await
            }
        };
        assert_eq!(failures(&found), Vec::<String>::new(), "{place}");
        if file_of(block).is_some() {
            assert!(found.count(Outcome::Ok) > found.count(Outcome::Skipped), "{place}: {found:#?}");
        }
    }
}

/// The commands of "Writing a plugin", in their order, in one directory.
#[test]
fn every_command_of_the_guide_works() {
    let (_, section) = PAGE.split_once("\n## Writing a plugin\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_rustbill"), bin.join("rustbill")).unwrap();
    let [home, work] = ["home", "work"].map(|name| dir.path().join(name));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&work).unwrap();
    run(&bin, &home, &work, "rustbill init --yes");
    // What comes with the program is not replaced by accident.
    run(&bin, &home, &work, "! rustbill plugin new upstream rustbill 2> no && grep -q 'comes with the program' no");
    run(&bin, &home, &work, "mkdir x && rustbill plugin new upstream rustbill --dir x");
    for block in blocks(section) {
        // The scripts of the page are where the commands are typed.
        if let Some(name) = file_of(&block) {
            fs::write(work.join(name), &block.text).unwrap();
        }
    }
    let (mut interface, mut file, mut ran) = (String::new(), String::new(), 0);
    for block in blocks(section).iter().filter(|block| block.language == "sh") {
        for command in commands(&block.text) {
            let command = command.replace(" ID", &format!(" {interface}")).replace(" FILE", &format!(" {file}"));
            let said = run(&bin, &home, &work, &command);
            if let Some(path) = said.lines().find_map(|line| line.strip_prefix("wrote  ")) {
                path.clone_into(&mut file);
                // It is where the server looks, so nobody has to copy it.
                assert!(Path::new(path).starts_with(home.join("plugins")) && !said.contains("cp "), "{said}");
            }
            if let Some(line) = said.lines().find_map(|line| line.strip_prefix("id  ")) {
                line.trim().clone_into(&mut interface);
            }
            ran += 1;
        }
    }
    assert!(ran >= 8, "{ran}");
}

/// Commands of a block; a backslash or a pipe at the end of a line continues it.
fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match found.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.push('\n');
                last.push_str(line);
            }
            None => found.push(line.to_owned()),
        }
        goes_on = line.ends_with('\\') || line.ends_with('|');
    }
    found
}

fn run(bin: &Path, home: &Path, work: &Path, command: &str) -> String {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-euc", command])
        .env_clear()
        .env("PATH", path)
        .env("RUSTBILL_HOME", home)
        .current_dir(work)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}\n{said}\n{complaint}");
    // A table begins each field's line with its name and pads it.
    said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join("  ")).collect::<Vec<_>>().join("\n")
}
