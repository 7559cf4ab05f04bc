//! The text of a configuration, with the numbers of its lines.

use std::ops::Range;
use std::rc::Rc;

use super::stop::{Run, Stop};

/// A text that GRUB runs: a file, or the block of a menu entry.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The path of the file.
    pub(super) file: Rc<str>,
    pub(super) text: Rc<str>,
    /// The number of the line in the file, for each line of the text.
    lines: Rc<[u32]>,
}

/// The control characters that mark the name of a disk among other text (`environment`).
pub(super) const DISK: [char; 2] = ['\u{1}', '\u{2}'];

impl Source {
    /// Reads a file as GRUB does (grub-core/normal/main.c, `read_config_file_getline`): lines that begin with `#` are left out,
    /// and carriage returns (grub-core/lib/getline.c).
    pub(super) fn of_file(file: &str, bytes: &[u8]) -> Run<Self> {
        let text = str::from_utf8(bytes).map_err(|_| Stop::new(format!("{file}: is not UTF-8")))?;
        if text.contains(['\0', DISK[0], DISK[1]]) {
            return Err(Stop::new(format!("{file}: has control characters")));
        }
        let mut numbers = Vec::new();
        let mut kept = String::with_capacity(text.len());
        for (number, line) in (1..).zip(text.split('\n')) {
            let start = kept.len();
            kept.extend(line.chars().filter(|&c| c != '\r'));
            if kept[start..].starts_with('#') {
                kept.truncate(start);
            } else {
                kept.push('\n');
                numbers.push(number);
            }
        }
        Ok(Self { file: file.into(), text: kept.into(), lines: numbers.into() })
    }

    /// The configuration in an image: nothing is left out.
    pub(super) fn of_embedded(file: &str, bytes: &[u8]) -> Run<Self> {
        let text = str::from_utf8(bytes).map_err(|_| Stop::new(format!("{file}: is not UTF-8")))?;
        if text.contains(DISK) {
            return Err(Stop::new(format!("{file}: has control characters")));
        }
        let lines = (1..).take(text.split('\n').count()).collect();
        Ok(Self { file: file.into(), text: text.into(), lines })
    }

    /// A part of the text; `before` lines are before it.
    pub(super) fn part(&self, range: Range<usize>, before: usize) -> Self {
        let text: Rc<str> = self.text.get(range).unwrap_or_default().into();
        let lines = self.lines.get(before..).unwrap_or_default();
        let count = text.split('\n').count().min(lines.len());
        Self { file: Rc::clone(&self.file), text, lines: lines[..count].into() }
    }

    /// The number in the file of the line behind `before` others.
    pub(super) fn line(&self, before: usize) -> u32 {
        self.lines.get(before).or(self.lines.last()).copied().unwrap_or(1)
    }
}
