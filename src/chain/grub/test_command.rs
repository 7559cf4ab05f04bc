//! The commands `test` and `[` (grub-core/commands/test.c).

use super::machine::Machine;
use super::stop::{Run, Stop};
use super::volumes::has_name;

/// How deep parentheses may be.
const DEEPEST: usize = 32;

/// A row of conditions that `-a` joins, in a row of those that `-o` joins.
struct Sum {
    all: bool,
    any: bool,
    is_inverted: bool,
}

impl Sum {
    fn add(&mut self, is_true: bool) {
        self.all &= is_true != self.is_inverted;
        self.is_inverted = false;
    }
}

/// Whether the expression is true.
pub(super) fn run(machine: &mut Machine<'_>, arguments: &[String]) -> Run<bool> {
    let words = match arguments.split_last() {
        Some((last, words)) if last == "]" => words,
        _ => arguments,
    };
    expression(machine, words, &mut 0, 0)
}

fn expression(machine: &mut Machine<'_>, words: &[String], at: &mut usize, depth: usize) -> Run<bool> {
    if depth > DEEPEST {
        return Err(Stop::new("too many parentheses"));
    }
    let mut sum = Sum { all: true, any: false, is_inverted: false };
    while let Some(word) = words.get(*at) {
        let rest = words.get(*at + 1..).unwrap_or_default();
        if let [operator, second, ..] = rest
            && let Some(is_true) = compare(word, operator, second)?
        {
            sum.add(is_true);
            *at += 3;
            continue;
        }
        if let [second, ..] = rest
            && let Some(is_true) = of_one(machine, word, second)?
        {
            sum.add(is_true);
            *at += 2;
            continue;
        }
        *at += 1;
        match word.as_str() {
            ")" => break,
            "(" => {
                let is_true = expression(machine, words, at, depth + 1)?;
                sum.add(is_true);
            }
            "!" => sum.is_inverted = !sum.is_inverted,
            "-a" => {}
            "-o" => {
                sum.any |= sum.all;
                sum.all = true;
            }
            word => sum.add(!word.is_empty()),
        }
    }
    Ok(sum.any || sum.all)
}

fn compare(first: &str, operator: &str, second: &str) -> Run<Option<bool>> {
    if operator.starts_with("-nt") || operator.starts_with("-ot") || matches!(operator, "-pgt" | "-plt") {
        return Err(Stop::new(format!("the test {operator} is not predicted")));
    }
    let is_text = matches!(operator, "=" | "==" | "!=" | "<" | "<=" | ">" | ">=");
    let is_number = matches!(operator, "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge");
    if !is_text && !is_number {
        return Ok(None);
    }
    if has_name(first) || has_name(second) {
        return Err(Stop::new("a test compares the name of a disk, which the machine decides"));
    }
    let order = if is_number { number(first)?.cmp(&number(second)?) } else { first.cmp(second) };
    Ok(Some(match operator {
        "=" | "==" | "-eq" => order.is_eq(),
        "!=" | "-ne" => order.is_ne(),
        "<" | "-lt" => order.is_lt(),
        "<=" | "-le" => order.is_le(),
        ">" | "-gt" => order.is_gt(),
        _ => order.is_ge(),
    }))
}

/// A decimal number. GRUB also knows others.
fn number(text: &str) -> Run<i64> {
    let is_octal = text.len() > 1 && text.starts_with('0');
    let number = text.parse().ok().filter(|_| !is_octal);
    number.ok_or_else(|| Stop::new(format!("a test compares {text:?}, which is no decimal number")))
}

fn of_one(machine: &mut Machine<'_>, operator: &str, word: &str) -> Run<Option<bool>> {
    Ok(Some(match operator {
        "-n" => !word.is_empty(),
        "-z" => word.is_empty(),
        "-f" => machine.has(word)?,
        // It opens the file, which measures it.
        "-s" => match machine.read("a file that a test opens", word)? {
            Some((_, bytes)) => !bytes.is_empty(),
            None => false,
        },
        "-d" => machine.has_folder(word)?,
        "-e" => machine.has(word)? || machine.has_folder(word)?,
        _ => return Ok(None),
    }))
}
