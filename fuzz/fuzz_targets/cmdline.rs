//! The kernel's command line: its tokens, and the configuration and failure policy that are read from it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use measureroot::internal::cmdline::tokens;
use measureroot::internal::config::{Config, FailurePolicy};

fuzz_target!(|line: &[u8]| {
    let tokens = tokens::parse(line);
    // A token has at least one byte, and a space separates it from the next.
    assert!(tokens.len() <= line.len().div_ceil(2));
    let policy = FailurePolicy::of(&tokens);
    assert!(policy.pcr.get() <= 15);
    if let Ok(config) = Config::parse(&tokens) {
        assert!(config.timeout.as_secs() <= 86400 && config.pcr.get() <= 15);
    }
});
