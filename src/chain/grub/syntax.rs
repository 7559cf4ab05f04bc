//! What a configuration consists of (grub-core/script/parser.y).

use std::rc::Rc;

use super::source::Source;

/// A statement.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    /// A command with its arguments.
    Command(Command),
    /// `if`, with each `elif`.
    If { arms: Vec<Arm>, otherwise: Vec<Statement> },
    /// `for`, `while` or `until`, which is read but not run.
    Loop { word: String, file: Rc<str>, line: u32 },
    /// `function`.
    Function { name: String, body: Rc<[Statement]> },
}

/// A command with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) file: Rc<str>,
    pub(super) line: u32,
    pub(super) words: Vec<Word>,
    /// The text between braces behind the words.
    pub(super) block: Option<Source>,
}

/// A condition, and what it leads to.
#[derive(Debug, Clone)]
pub(super) struct Arm {
    pub(super) condition: Vec<Statement>,
    pub(super) then: Vec<Statement>,
}

/// A word: its parts, one behind the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
    /// As it is written.
    pub(super) raw: String,
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text outside of quotes.
    Text(String),
    /// Text in quotes: it makes a word even if it is empty.
    Quoted(String),
    /// A variable outside of quotes: its value becomes several words.
    Variable(String),
    /// A variable in quotes.
    QuotedVariable(String),
    /// `*` or `?` outside of quotes, which names files if the module regexp is loaded.
    Wildcard(char),
}
