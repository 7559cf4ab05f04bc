//! Tokens become statements (grub-core/script/parser.y). GRUB runs each statement before it reads the next one.

use super::lexer::{Lexer, Token};
use super::source::Source;
use super::stop::{Run, Stop};
use super::syntax::{Arm, Command, Statement, Word};

/// How deep statements may be in each other. GRUB runs no more than 64 (grub-core/script/execute.c, `MAX_RECURSION_DEPTH`).
const DEEPEST: usize = 32;
/// The words that GRUB reserves.
const RESERVED: [&str; 15] = [
    "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "select", "then", "until", "while",
    "function",
];

/// Reads statements.
#[derive(Debug)]
pub(super) struct Parser<'s> {
    lexer: Lexer<'s>,
    /// The next token with its line, if it was looked at.
    seen: Option<(Token, u32)>,
}

impl<'s> Parser<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self { lexer: Lexer::new(source), seen: None }
    }

    /// The next statement. `None` at the end.
    pub(super) fn next(&mut self) -> Run<Option<Statement>> {
        self.skip_newlines()?;
        if matches!(self.peek()?, Token::End) {
            return Ok(None);
        }
        let statement = if self.is_word("function")? { self.function()? } else { self.command(0)? };
        match self.take()?.0 {
            Token::End | Token::Newline | Token::Semicolon => Ok(Some(statement)),
            _ => Err(self.stop("a command does not end where GRUB wants its end")),
        }
    }

    fn peek(&mut self) -> Run<&Token> {
        let token = self.take()?;
        Ok(&self.seen.insert(token).0)
    }

    fn take(&mut self) -> Run<(Token, u32)> {
        if let Some(seen) = self.seen.take() {
            return Ok(seen);
        }
        self.lexer.skip_blanks();
        let line = self.lexer.line();
        Ok((self.lexer.next()?, line))
    }

    fn stop(&self, why: &str) -> Stop {
        let line = self.seen.as_ref().map_or(self.lexer.line(), |(_, line)| *line);
        Stop::new(why).at(&self.lexer.source().file, line)
    }

    fn skip_newlines(&mut self) -> Run<()> {
        while matches!(self.peek()?, Token::Newline) {
            self.take()?;
        }
        Ok(())
    }

    /// Whether the next token is this word.
    fn is_word(&mut self, wanted: &str) -> Run<bool> {
        Ok(matches!(self.peek()?, Token::Word(word) if word.raw == wanted))
    }

    /// Takes the next token, which must be this word.
    fn word(&mut self, wanted: &str) -> Run<()> {
        if !self.is_word(wanted)? {
            return Err(self.stop(&format!("{wanted} is missing")));
        }
        self.take().map(drop)
    }

    fn command(&mut self, depth: usize) -> Run<Statement> {
        if depth > DEEPEST {
            return Err(self.stop("statements are too deep in each other"));
        }
        let Token::Word(first) = self.peek()? else { return Err(self.stop("a command is missing")) };
        let first = first.raw.clone();
        match first.as_str() {
            "if" => {
                self.take()?;
                self.condition(depth)
            }
            "for" | "while" | "until" => self.looped(depth),
            _ if RESERVED.contains(&first.as_str()) => Err(self.stop(&format!("{first} is not expected here"))),
            _ => self.simple(depth).map(Statement::Command),
        }
    }

    fn simple(&mut self, depth: usize) -> Run<Command> {
        let mut words: Vec<Word> = Vec::new();
        let mut start = None;
        while let Token::Word(_) = self.peek()? {
            if let (Token::Word(word), line) = self.take()? {
                start.get_or_insert(line);
                words.push(word);
            }
        }
        let block = if matches!(self.peek()?, Token::Open(_)) { Some(self.block(depth)?) } else { None };
        let file = std::rc::Rc::clone(&self.lexer.source().file);
        Ok(Command { file, line: start.unwrap_or(1), words, block })
    }

    /// The text between braces. GRUB parses it now, and runs it later.
    fn block(&mut self, depth: usize) -> Run<Source> {
        let (Token::Open(start), _) = self.take()? else { return Err(self.stop("{ is missing")) };
        self.list(depth + 1, &[])?;
        let (Token::Close(end), _) = self.take()? else { return Err(self.stop("} is missing")) };
        Ok(self.lexer.source().part(start.at..end.at, start.newlines))
    }

    fn condition(&mut self, depth: usize) -> Run<Statement> {
        let (mut arms, mut otherwise) = (Vec::new(), Vec::new());
        loop {
            let condition = self.list(depth + 1, &["then"])?;
            self.word("then")?;
            let then = self.list(depth + 1, &["elif", "else", "fi"])?;
            arms.push(Arm { condition, then });
            if self.is_word("elif")? {
                self.take()?;
                continue;
            }
            if self.is_word("else")? {
                self.take()?;
                otherwise = self.list(depth + 1, &["fi"])?;
            }
            self.word("fi")?;
            return Ok(Statement::If { arms, otherwise });
        }
    }

    /// A loop. It is read, so that it spoils the entry alone that runs it.
    fn looped(&mut self, depth: usize) -> Run<Statement> {
        let (Token::Word(first), line) = self.take()? else { return Err(self.stop("a loop is missing")) };
        if first.raw == "for" {
            let Token::Word(_) = self.take()?.0 else {
                return Err(self.stop("for: the name of the variable is missing"));
            };
            self.word("in")?;
            while matches!(self.peek()?, Token::Word(_)) {
                self.take()?;
            }
            let (Token::Newline | Token::Semicolon) = self.take()?.0 else { return Err(self.stop("do is missing")) };
            self.skip_newlines()?;
        } else {
            self.list(depth + 1, &["do"])?;
        }
        self.word("do")?;
        self.list(depth + 1, &["done"])?;
        self.word("done")?;
        let file = std::rc::Rc::clone(&self.lexer.source().file);
        Ok(Statement::Loop { word: first.raw, file, line })
    }

    /// Commands up to one of these words, or without such words, up to `}`.
    fn list(&mut self, depth: usize, ends: &[&str]) -> Run<Vec<Statement>> {
        self.skip_newlines()?;
        let mut list = Vec::new();
        loop {
            list.push(self.command(depth)?);
            let mut is_over = false;
            if matches!(self.peek()?, Token::Newline | Token::Semicolon) {
                self.take()?;
                self.skip_newlines()?;
                is_over = true;
            }
            match self.peek()? {
                Token::Close(_) if ends.is_empty() => return Ok(list),
                Token::Word(word) if is_over && ends.contains(&word.raw.as_str()) => return Ok(list),
                Token::Word(_) if is_over => {}
                _ => return Err(self.stop("a command does not end where GRUB wants its end")),
            }
        }
    }

    fn function(&mut self) -> Run<Statement> {
        self.take()?;
        let (Token::Word(name), _) = self.take()? else { return Err(self.stop("the function has no name")) };
        self.skip_newlines()?;
        let (Token::Open(_), _) = self.take()? else { return Err(self.stop("{ is missing")) };
        let body = self.list(1, &[])?;
        self.take()?;
        Ok(Statement::Function { name: name.raw, body: body.into() })
    }
}
