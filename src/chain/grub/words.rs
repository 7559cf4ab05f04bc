//! The words of a command become its arguments (grub-core/script/execute.c, `grub_script_arglist_to_argv`, and argv.c).

use super::machine::Machine;
use super::stop::{Run, Stop};
use super::syntax::{Part, Word};

/// The most arguments of a command, and the most bytes of them.
const MOST: usize = 1024;
const LONGEST: usize = 256 << 10;

/// Arguments that grow. The last one may be none yet: if nothing comes, there is no argument.
#[derive(Debug, Default)]
struct Arguments {
    all: Vec<Option<String>>,
    length: usize,
}

impl Arguments {
    fn next(&mut self) {
        if !matches!(self.all.last(), Some(None)) {
            self.all.push(None);
        }
    }

    fn append(&mut self, text: &str) {
        self.length += text.len();
        if let Some(last) = self.all.last_mut() {
            last.get_or_insert_default().push_str(text);
        }
    }
}

/// The arguments; the first one is the command. None if nothing is left of the words.
pub(super) fn expand(machine: &Machine<'_>, words: &[Word]) -> Run<Vec<String>> {
    let mut arguments = Arguments::default();
    for word in words {
        arguments.next();
        for part in &word.parts {
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) | Part::Quoted(text) => arguments.append(text),
                Part::Wildcard(c) if !machine.has_module("regexp") => arguments.append(c.encode_utf8(&mut [0; 4])),
                Part::Wildcard(c) => return Err(Stop::new(format!("{c} names files, which is not predicted"))),
                Part::QuotedVariable(name) => {
                    let value = value(machine, name)?;
                    if !value.is_empty() {
                        arguments.append(&value);
                    }
                }
                Part::Variable(name) => {
                    let value = value(machine, name)?;
                    if machine.has_module("regexp") && value.contains(['*', '?']) {
                        return Err(Stop::new(format!("{name} names files, which is not predicted")));
                    }
                    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r');
                    for (number, text) in value.split(is_space).filter(|text| !text.is_empty()).enumerate() {
                        if number > 0 {
                            arguments.next();
                        }
                        arguments.append(text);
                    }
                }
            }
            if arguments.all.len() > MOST || arguments.length > LONGEST {
                return Err(Stop::new("the command is too long"));
            }
        }
    }
    Ok(arguments.all.into_iter().flatten().collect())
}

/// The value of a variable, or of an argument of the function or entry.
fn value(machine: &Machine<'_>, name: &str) -> Run<String> {
    let arguments = machine.arguments.as_deref().unwrap_or_default();
    match name {
        "?" if machine.had_success => Ok("0".to_owned()),
        "?" => Err(Stop::new("$? of a command that failed is not predicted")),
        "*" | "@" => Err(Stop::new(format!("${name} is not predicted"))),
        "#" => Ok(if machine.arguments.is_some() { arguments.len().to_string() } else { String::new() }),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => {
            let number: usize = name.parse().map_err(|_| Stop::new(format!("${name} is not predicted")))?;
            Ok(number.checked_sub(1).and_then(|number| arguments.get(number)).cloned().unwrap_or_default())
        }
        name => machine.variable(name).map(str::to_owned),
    }
}
