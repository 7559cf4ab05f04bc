//! Parameters whose value is one of a few words.

use crate::error::{Error, Result};

/// A parameter whose value is one of a few words. The words are listed once, for reading, for naming and for the hint
/// of an error.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Each word with its meaning. If a meaning has several words, they stand side by side, and the first one is its name.
    const WORDS: &'static [(&'static str, Self)];

    /// Reads the parameter's value.
    ///
    /// # Errors
    /// For any other word. The hint lists the names.
    fn parse(text: &str) -> Result<Self> {
        let found = Self::WORDS.iter().find(|(word, _)| *word == text);
        let names = || Self::WORDS.iter().map(|(_, meaning)| meaning.name());
        found.map(|&(_, meaning)| meaning).ok_or_else(|| malformed(text, &mut names()))
    }

    /// The word that the command line uses for it.
    fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, meaning)| *meaning == self).map_or("", |(word, _)| word)
    }
}

/// `meanings` has the name of each word's meaning. Not generic: the agent has this code once for all parameters.
#[inline(never)]
fn malformed(text: &str, meanings: &mut dyn Iterator<Item = &'static str>) -> Error {
    let mut names: Vec<_> = meanings.collect();
    names.dedup();
    let last = names.pop().unwrap_or_default();
    let hint = if names.is_empty() { last.to_owned() } else { format!("{} or {last}", names.join(", ")) };
    Error::new(text, "malformed value").hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Speed {
        Slow,
        Fast,
        Faster,
    }

    impl Choice for Speed {
        const WORDS: &'static [(&'static str, Self)] =
            &[("slow", Self::Slow), ("fast", Self::Fast), ("quick", Self::Fast), ("faster", Self::Faster)];
    }

    #[test]
    fn a_word_is_read_and_a_meaning_is_named() {
        assert_eq!((Speed::parse("quick"), Speed::parse("faster")), (Ok(Speed::Fast), Ok(Speed::Faster)));
        assert_eq!(Speed::Fast.name(), "fast");
        for (wrong, shown) in [("", "\"\""), ("Fast", "Fast"), ("fast ", "fast "), ("fas", "fas")] {
            let error = Speed::parse(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("{shown}: malformed value (slow, fast or faster)"));
        }
    }
}
