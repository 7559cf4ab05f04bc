//! The texts of the shell scripts: what stands in double quotes, and whether it is printed as an error.

use std::fs;
use std::path::Path;

use super::{Text, has_a_word, shown};

/// The commands and functions that print a failure or a warning.
const PRINTERS: [&str; 8] =
    ["fail", "must", "complain", "measureroot_complain", "dfatal", "dwarn", "bbfatal", "bbwarn"];

/// The texts of a script, a recipe or a makefile.
pub(crate) fn texts(root: &Path, file: &str) -> Vec<Text> {
    let source = fs::read_to_string(root.join(file)).unwrap();
    // In a makefile, the shell gets one dollar for two.
    let source = if Path::new(file).extension().is_some_and(|ending| ending == "mk") {
        source.replace("$$", "$")
    } else {
        source
    };
    let source: Vec<char> = source.chars().collect();
    let (mut texts, mut at) = (Vec::new(), 0);
    while at < source.len() {
        at = match source[at] {
            '#' if at == 0 || " \t\n;(".contains(source[at - 1]) => find(&source, at, '\n'),
            '\\' => at + 2,
            '\'' => find(&source, at + 1, '\'') + 1,
            '"' => {
                let (text, end) = quoted(&source, at + 1);
                let words = shown(&text);
                if words.contains(' ') && has_a_word(&words) && !words.starts_with("usage: ") {
                    let is_message = is_printed(&source, at, end);
                    texts.push(Text { file: file.to_owned(), words, is_message });
                }
                end
            }
            _ => at + 1,
        };
    }
    texts
}

fn find(source: &[char], from: usize, wanted: char) -> usize {
    source[from..].iter().position(|c| *c == wanted).map_or(source.len(), |found| from + found)
}

/// The text from `at` to the closing quote, with `...` for each value, and the place behind the quote.
fn quoted(source: &[char], mut at: usize) -> (String, usize) {
    let mut text = String::new();
    while at < source.len() && source[at] != '"' {
        match source[at] {
            '\\' if source.get(at + 1) == Some(&'\n') => at += 2,
            '\\' => {
                text.extend(source.get(at + 1));
                at += 2;
            }
            '$' => {
                text += "...";
                at = end_of_value(source, at + 1);
            }
            c => {
                text.push(c);
                at += 1;
            }
        }
    }
    (text, at + 1)
}

/// The place behind `NAME`, `{...}`, `(...)` or one special character.
fn end_of_value(source: &[char], at: usize) -> usize {
    let (open, close) = match source.get(at) {
        Some('{') => ('{', '}'),
        Some('(') => ('(', ')'),
        Some(c) if c.is_alphanumeric() || *c == '_' => {
            let length = source[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            return at + length;
        }
        _ => return at + 1,
    };
    let mut depth = 0;
    for (place, c) in source.iter().enumerate().skip(at) {
        depth += i32::from(*c == open) - i32::from(*c == close);
        if depth == 0 {
            return place + 1;
        }
    }
    source.len()
}

/// Whether the command with the text from `start` to `end` prints an error.
fn is_printed(source: &[char], start: usize, end: usize) -> bool {
    let is_end = |place: usize| source[place] == '\n' && (place == 0 || source[place - 1] != '\\');
    let first = (0..start).rev().find(|place| is_end(*place)).map_or(0, |place| place + 1);
    let before: String = source[first..start].iter().collect();
    let last = (end..source.len()).find(|place| is_end(*place)).unwrap_or(source.len());
    let after: String = source[end..last].iter().collect();
    let mut words = before.split(|c: char| !c.is_alphanumeric() && c != '_');
    let is_redirected = after.lines().next().is_some_and(|line| line.contains(">&2")) || after.trim().ends_with(">&2");
    words.any(|word| PRINTERS.contains(&word)) || before.contains("echo") && is_redirected
}
