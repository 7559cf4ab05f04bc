//! The configuration inside of the image, which GRUB runs first, with its simple parser (grub-core/kern/rescue_parser.c and
//! parser.c). Its commands are not measured.

use super::machine::Machine;
use super::stop::{Run, Stop};

/// Where the parser is in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Escape,
    Quote,
    Double,
}

/// The words of a line.
pub(super) fn words(line: &str, machine: &Machine<'_>) -> Run<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut state = State::Text;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        state = match (state, c) {
            (State::Text, '\'') => State::Quote,
            (State::Quote, '\'') | (State::Double, '"') => State::Text,
            (State::Text, '"') => State::Double,
            (State::Text, '\\') => State::Escape,
            (State::Text | State::Double, '$') => {
                let in_braces = rest.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(c) = rest.next_if(|&c| c.is_ascii_alphanumeric() || c == '_') {
                    name.push(c);
                }
                // The simple parser treats other characters in its own way.
                if name.is_empty() || in_braces && rest.next() != Some('}') {
                    return Err(Stop::new("the name of a variable is missing"));
                }
                word.push_str(machine.variable(&name)?);
                state
            }
            (State::Text, c) if c.is_ascii_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                state
            }
            (state, c) => {
                word.push(c);
                if state == State::Escape { State::Text } else { state }
            }
        };
    }
    if state != State::Text {
        return Err(Stop::new("a quote does not end on its line"));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}
