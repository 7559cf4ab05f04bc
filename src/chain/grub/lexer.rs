//! A configuration becomes tokens (grub-core/script/yylex.l).

use super::source::Source;
use super::stop::{Run, Stop};
use super::syntax::{Part, Word};

/// A token.
#[derive(Debug, Clone)]
pub(super) enum Token {
    /// The text is over.
    End,
    Newline,
    Semicolon,
    /// `{`, with the place behind it.
    Open(Place),
    /// `}`, with the place before it.
    Close(Place),
    Word(Word),
}

/// A place in the text: the bytes, and the newlines before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) newlines: usize,
}

/// Reads tokens.
#[derive(Debug)]
pub(super) struct Lexer<'s> {
    source: &'s Source,
    place: Place,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self { source, place: Place { at: 0, newlines: 0 } }
    }

    pub(super) fn source(&self) -> &'s Source {
        self.source
    }

    /// The line of the next token, in its file.
    pub(super) fn line(&self) -> u32 {
        self.source.line(self.place.newlines)
    }

    /// A reason at this place.
    pub(super) fn stop(&self, why: &str) -> Stop {
        Stop::new(why).at(&self.source.file, self.line())
    }

    fn peek(&self) -> Option<char> {
        self.source.text.get(self.place.at..)?.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.place.at += c.len_utf8();
        self.place.newlines += usize::from(c == '\n');
        Some(c)
    }

    fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> &'s str {
        let start = self.place.at;
        while self.peek().is_some_and(&is_wanted) {
            self.take();
        }
        self.source.text.get(start..self.place.at).unwrap_or_default()
    }

    /// Leaves out blanks, and a comment.
    pub(super) fn skip_blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t'));
        if self.peek() == Some('#') {
            self.take_while(|c| c != '\n');
        }
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Run<Token> {
        self.skip_blanks();
        let before = self.place;
        let token = match self.peek() {
            None => return Ok(Token::End),
            Some('\n') => Token::Newline,
            Some(';') => Token::Semicolon,
            Some('{') => Token::Open(Place { at: before.at + 1, ..before }),
            Some('}') => Token::Close(before),
            Some('|') => return Err(self.stop("GRUB has no pipes and no ||")),
            Some('&') => return Err(self.stop("GRUB has no && and no &")),
            Some('<' | '>') => return Err(self.stop("GRUB has no redirections")),
            Some(_) => return self.word().map(Token::Word),
        };
        self.take();
        if self.peek() == Some(';') && matches!(token, Token::Semicolon) {
            return Err(self.stop("two semicolons"));
        }
        Ok(token)
    }

    fn word(&mut self) -> Run<Word> {
        let start = self.place.at;
        let mut parts = Vec::new();
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '{' | '}' | '|' | '&' | ';' | '<' | '>' => break,
                '\\' => {
                    self.take();
                    match self.take() {
                        None => return Err(self.stop("a backslash ends the file")),
                        Some('\n') => {}
                        Some(c) => text.push(c),
                    }
                }
                '\'' | '"' | '$' | '*' | '?' => {
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    self.take();
                    match c {
                        '\'' => {
                            let quoted = self.take_while(|c| c != '\'').to_owned();
                            self.take().ok_or_else(|| self.stop("a quote has no end"))?;
                            parts.push(Part::Quoted(quoted));
                        }
                        '"' => self.quoted(&mut parts)?,
                        '$' => parts.push(Part::Variable(self.variable()?)),
                        c => parts.push(Part::Wildcard(c)),
                    }
                }
                c => {
                    self.take();
                    text.push(c);
                }
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let raw = self.source.text.get(start..self.place.at).unwrap_or_default().to_owned();
        Ok(Word { parts, raw })
    }

    /// What is between double quotes.
    fn quoted(&mut self, parts: &mut Vec<Part>) -> Run<()> {
        let mut text = String::new();
        loop {
            match self.take().ok_or_else(|| self.stop("a quote has no end"))? {
                '"' => break,
                '\\' => match self.peek() {
                    Some('\n') => drop(self.take()),
                    Some(c @ ('$' | '\\' | '"')) => {
                        self.take();
                        text.push(c);
                    }
                    _ => text.push('\\'),
                },
                '$' => {
                    parts.push(Part::Quoted(std::mem::take(&mut text)));
                    parts.push(Part::QuotedVariable(self.variable()?));
                }
                c => text.push(c),
            }
        }
        parts.push(Part::Quoted(text));
        Ok(())
    }

    /// The name of a variable, behind its `$`.
    fn variable(&mut self) -> Run<String> {
        if self.peek() == Some('"') {
            return Err(self.stop("translated text ($\"...\") is not predicted"));
        }
        let in_braces = self.peek() == Some('{');
        if in_braces {
            self.take();
        }
        let name = match self.peek() {
            Some(c) if c.is_ascii_digit() => self.take_while(|c| c.is_ascii_digit()).to_owned(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()
            }
            Some(c @ ('?' | '#' | '*' | '@')) => {
                self.take();
                c.to_string()
            }
            _ => return Err(self.stop("no name of a variable is behind the $")),
        };
        if in_braces && self.take() != Some('}') {
            return Err(self.stop("the name of a variable has no closing brace"));
        }
        Ok(name)
    }
}
