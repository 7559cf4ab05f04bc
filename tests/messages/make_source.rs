//! The errors that make and bitbake print themselves: `$(error TEXT)` and `SkipRecipe('TEXT')`.

use std::fs;
use std::path::Path;

use super::{Text, shown};

/// The texts of a makefile or a recipe.
pub(crate) fn texts(root: &Path, file: &str) -> Vec<Text> {
    let source = fs::read_to_string(root.join(file)).unwrap();
    let errors = source.split("$(error ").skip(1).map(error);
    let skipped = source.split("SkipRecipe(").skip(1).map(skip);
    let text = |words: String| Text { file: file.to_owned(), words: shown(&words), is_message: true };
    errors.chain(skipped).map(text).collect()
}

/// The text up to the closing parenthesis, with `...` for each `$(NAME)`.
fn error(rest: &str) -> String {
    let (mut words, mut values, mut open) = (String::new(), 0, 0);
    for c in rest.chars() {
        match c {
            '(' if values > 0 || words.ends_with('$') => values += 1,
            ')' if values > 0 => {
                values -= 1;
                if values == 0 {
                    words.pop();
                    words += "...";
                }
            }
            ')' if open == 0 => return words,
            _ if values > 0 => {}
            _ => {
                open += i32::from(c == '(') - i32::from(c == ')');
                words.push(c);
            }
        }
    }
    panic!("no end: {rest}")
}

/// The Python strings that follow each other, with `...` for each `%s`.
fn skip(rest: &str) -> String {
    let end = rest.find("' % (").unwrap_or_else(|| panic!("no values: {rest}"));
    let strings = rest[..=end].split('\'').skip(1).step_by(2).collect::<String>();
    strings.replace("%s", "...")
}
