//! `docs/troubleshooting.md` has each message of the boot and of the builders, and no other one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod messages;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use messages::no_messages::{HINTS, LIBRARIES, OBJECTS, OTHERS, REPORTS};
use messages::rust_source::Features;
use messages::{Text, make_source, page, rust_source, shell_source};

/// The files of the commands that build. The reader follows their modules.
const COMMANDS: [&str; 13] = [
    "src/cli/initramfs/mod.rs",
    "src/cli/predict/mod.rs",
    "src/cli/allow_file.rs",
    "src/cli/image_file.rs",
    "src/cli/input_file.rs",
    "src/cli/json.rs",
    "src/cli/output_file.rs",
    "src/cli/read_limited.rs",
    "src/cli/replaced_file.rs",
    "src/cli/stdout.rs",
    "src/cli/unchanged.rs",
    // What predict reads of its arguments, and of a list.
    "src/evidence/expiry.rs",
    "src/evidence/library_words.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of the checkout, as paths in it.
fn files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: PathBuf| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    entries.flat_map(|path| if path.is_dir() { files(&name(path)) } else { vec![name(path)] }).collect()
}

/// Scripts, and the recipes and makefiles with scripts in them. The other files of initramfs/ are data, pages and sources in Rust and C.
fn has_shell(path: &str) -> bool {
    let text = fs::read(root().join(path)).unwrap();
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str());
    !path.starts_with("initramfs/tss2/")
        && (text.starts_with(b"#!") && !text.starts_with(b"#!/usr/bin/make")
            || matches!(ending, Some("sh" | "bb" | "bbclass" | "mk")))
}

/// Every text that the boot or a builder may print.
fn texts() -> Vec<Text> {
    let mut texts = rust_source::texts(root(), "src/lib.rs", Features::None);
    texts.extend(COMMANDS.iter().flat_map(|file| rust_source::texts(root(), file, Features::All)));
    texts.retain(|text| !REPORTS.iter().any(|(file, _)| text.file == *file));
    for file in
        files("initramfs").into_iter().filter(|file| has_shell(file)).chain(["kernel-fragments/check".to_owned()])
    {
        texts.extend(shell_source::texts(root(), &file));
        texts.extend(make_source::texts(root(), &file));
    }
    texts
}

#[test]
fn the_page_has_each_message_and_no_other_one() {
    let texts = texts();
    assert!(texts.len() > 400, "the sources were not read: {}", texts.len());
    let page: BTreeSet<_> = page::first_column(root(), "message").into_iter().collect();
    let known: BTreeSet<_> = texts.iter().map(|text| text.words.as_str()).collect();
    let no_messages = [HINTS.as_slice(), &OBJECTS, &OTHERS, &LIBRARIES].concat();
    let no_message = |text: &Text| no_messages.contains(&text.words.as_str());
    // In a script, only what is printed as an error is a message.
    let counts = |text: &&Text| text.is_message || text.file.starts_with("src/");
    let missing: BTreeSet<_> =
        texts.iter().filter(counts).filter(|text| !page.contains(&text.words) && !no_message(text)).collect();
    let missing: Vec<_> = missing.iter().map(|text| format!("`{}` ({})", text.words, text.file)).collect();
    assert!(
        missing.is_empty(),
        "not in docs/troubleshooting.md: write what each means and what to do; if it is no message, add it to \
         tests/messages/no_messages.rs:\n{}",
        missing.join("\n")
    );
    let stale: Vec<_> = page.iter().filter(|words| !known.contains(words.as_str())).collect();
    assert!(stale.is_empty(), "in docs/troubleshooting.md, and in no source: {stale:#?}");
    let stale: Vec<_> = no_messages.iter().filter(|words| !known.contains(*words)).collect();
    assert!(stale.is_empty(), "in tests/messages/no_messages.rs, and in no source: {stale:#?}");
    let both: Vec<_> = no_messages.iter().filter(|words| page.contains(**words)).collect();
    assert!(both.is_empty(), "both on the page and no message: {both:#?}");
}

#[test]
fn the_page_has_each_step_in_the_order_of_the_boot() {
    let step = fs::read_to_string(root().join("src/boot/step.rs")).unwrap();
    let (_, steps) = step.split_once("\nsteps! {").unwrap();
    let (steps, _) = steps.split_once('}').unwrap();
    let names: Vec<_> = steps.lines().filter_map(|line| line.split('"').nth(3)).collect();
    assert_eq!(names.len(), 16);
    assert_eq!(page::first_column(root(), "step"), names);
}

#[test]
fn the_reader_tells_a_message_from_its_object_and_its_hint() {
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        //! A page's text is no message.
        mod part;
        #[cfg(test)]
        mod tests { fn f() { Error::new("x", "of a test alone"); } }
        fn f() {
            Error::new("an object", format!("has {} bytes, not {{ {wanted} }}", 1)).hint("do something else");
            log::warn!("goes on without it: {error}");
            log::info!("nothing of interest");
            other.about_hint("another object", "try that").map_err(|cause| Error::new(NAME, if a { "broken" } else { "cut off" }));
            let cause = "is told later";
        }
    "#;
    fs::write(folder.path().join("lib.rs"), source).unwrap();
    fs::create_dir(folder.path().join("part")).unwrap();
    fs::write(folder.path().join("part/mod.rs"), "#[cfg(feature = \"cli\")] fn g() { fail(\"for people only\") }")
        .unwrap();
    let found = |features| {
        let texts = rust_source::texts(folder.path(), "lib.rs", features);
        texts.into_iter().map(|text| (text.words, text.is_message)).collect::<Vec<_>>()
    };
    let agent = [
        ("has ... bytes, not { ... }", true),
        ("goes on without it: ...", true),
        ("broken", true),
        ("cut off", true),
        ("is told later", false),
    ];
    let agent = agent.map(|(words, is_message)| (words.to_owned(), is_message));
    assert_eq!(found(Features::None), agent);
    assert_eq!(found(Features::All), [agent.as_slice(), &[("for people only".to_owned(), true)]].concat());
}

#[test]
fn the_reader_of_scripts_finds_what_is_printed_as_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let source = r#"#!/bin/sh
# fail "of a comment"
[ -f "$a/no message" ] || fail "$a is missing: install ${b%%=*} $(date +"%s %d") now"
echo "all is well"
echo "this went \
wrong" >&2
complain "two lines," \
	"the second one"
"#;
    fs::write(folder.path().join("script"), source).unwrap();
    let texts = shell_source::texts(folder.path(), "script");
    let messages = texts.into_iter().filter(|text| text.is_message).map(|text| text.words);
    let expected = ["... is missing: install ... ... now", "this went wrong", "two lines,", "the second one"];
    assert_eq!(messages.collect::<Vec<_>>(), expected);
    let make = "ifeq ($(A),)\n$(error needs $(A) (see above): $(call f,$(B)) too)\nendif\n";
    fs::write(folder.path().join("x.mk"), make).unwrap();
    let texts = make_source::texts(folder.path(), "x.mk");
    assert_eq!(texts.into_iter().map(|text| text.words).collect::<Vec<_>>(), ["needs ... (see above): ... too"]);
}
