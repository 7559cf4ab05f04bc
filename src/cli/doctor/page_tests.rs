//! `docs/doctor.md` has a heading for each finding of the table, and none for another. `MEASUREROOT_UPDATE=1` rewrites them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::table;

/// The headings of the findings, with what stands under them.
fn made() -> String {
    let mut text = String::new();
    for found in table::all() {
        let why = wrapped(found.why);
        let _ = write!(text, "\n## {}\n\n**{}.** {}", found.id, found.level.name(), why.trim_start());
        if !found.advice.is_empty() {
            let advice = wrapped(&format!("What to do: {}.", found.advice));
            let _ = write!(text, "\n{advice}");
        }
    }
    text
}

/// The text in lines of at most 120 characters. The first one leaves room for the level.
fn wrapped(text: &str) -> String {
    let (mut lines, mut length) = (String::new(), 10);
    for word in text.split_whitespace() {
        if length + 1 + word.chars().count() > 120 {
            lines.push('\n');
            length = 0;
        } else if !lines.is_empty() {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += word.chars().count();
    }
    lines + "\n"
}

#[test]
fn the_page_has_each_finding_of_the_table_and_no_other_one() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let text = fs::read_to_string(&page).unwrap();
    let (start, _) = text.split_once("\n## ").unwrap_or((&text, ""));
    let expected = format!("{}\n{}", start.trim_end(), made());
    if std::env::var_os("MEASUREROOT_UPDATE").is_some() {
        fs::write(&page, &expected).unwrap();
    }
    let now = fs::read_to_string(&page).unwrap();
    let differs = expected.lines().zip(now.lines()).find(|(made, now)| made != now);
    assert!(expected == now, "out of date at {differs:?}: run MEASUREROOT_UPDATE=1 cargo test --lib page_tests");
}

#[test]
fn each_finding_has_an_identifier_of_its_own_that_is_an_anchor() {
    let mut seen = BTreeSet::new();
    for found in table::all() {
        assert!(seen.insert(found.id), "{}", found.id);
        let is_anchor = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(found.id.chars().all(is_anchor), "{}", found.id);
        assert!(found.why.ends_with('.') && !found.advice.ends_with('.'), "{}", found.id);
    }
}
