//! modules.alias, and the patterns in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::sys::{Aliases, alias_matches};

fuzz_target!(|input: (&str, &[u8])| {
    let (text, device) = input;
    let aliases = Aliases::parse(text);
    assert!(aliases == Aliases::parse(text));
    for line in text.lines().take(20) {
        let pattern = line.as_bytes();
        // A star takes everything, and a text that is no pattern matches itself.
        assert!(!alias_matches(pattern, device) || alias_matches(&[pattern, b"*"].concat(), device));
        let is_plain = !pattern.iter().any(|byte| b"*?[".contains(byte));
        assert!(!is_plain || alias_matches(pattern, device) == (pattern == device));
    }
});
