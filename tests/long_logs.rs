//! Logs with many events: what `replay` needs of memory is a small multiple of the log, in each form of its output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::process::Command;

use common::{Ran, program, text};
use measureroot::internal::eventlog::{EventType, tcg_sha1};
use measureroot::internal::hash::{Bank, digests_of};
use measureroot::internal::measure::Pcr;

/// How many events the log has: the shortest possible ones, of 32 bytes. So the log has 1 MiB.
const EVENTS: usize = 32 << 10;

/// The limit of the memory that the program may ask for, in KiB (`ulimit -v`). Its code counts, too. A tree of the whole JSON has 120
/// times the bytes of the log: 120 MiB.
const MEMORY: usize = 80 << 10;

/// Runs `replay` under the limit. Its output goes to a file.
fn replay(options: &str, log: &str) -> Ran {
    let command = format!("ulimit -v {MEMORY} && exec \"$0\" replay {options} \"$1\" > \"$1\".out");
    Command::new("sh").args(["-c", &command, text(program()), log]).output().unwrap().into()
}

#[test]
fn the_memory_is_bounded_in_each_form_of_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        text(&path).to_owned()
    };
    let event = tcg_sha1::encode(Pcr::try_from(13).unwrap(), EventType(0xD), &digests_of(&[Bank::Sha1], b"x"), b"");
    let old = write("old", &event.repeat(EVENTS));
    // The register of the first event of the CCEL is 1, and its header lists SHA-384 alone.
    let header = [&[1, 0, 0, 0, 3, 0, 0, 0][..], &[0; 20], &[33, 0, 0, 0], b"Spec ID Event03\0"].concat();
    let header = [&header[..], &[0; 4], &[0, 2, 105, 2], &[1, 0, 0, 0, 12, 0, 48, 0, 0]].concat();
    let extend = [&[3, 0, 0, 0, 0xD, 0, 0, 0, 1, 0, 0, 0, 12, 0][..], &[7; 48], &[0; 4]].concat();
    let ccel = write("ccel", &[header, extend.repeat(EVENTS / 2)].concat());
    for (log, options, count) in [
        (&old, "", EVENTS),
        (&old, "--json", EVENTS),
        (&old, "--to=cel", EVENTS),
        (&ccel, "", EVENTS / 2),
        (&ccel, "--json", EVENTS / 2),
    ] {
        let Ran { code, err, .. } = replay(options, log);
        assert_eq!(code, 0, "{options}: {err}");
        let printed = fs::read_to_string(format!("{log}.out")).unwrap();
        let events = printed.matches(if options.is_empty() { "# event " } else { "\"digests\": " }).count();
        assert_eq!(events, count, "{options}");
        if !options.is_empty() {
            assert!(serde_json::from_str::<serde_json::Value>(&printed).is_ok(), "{options}");
        }
    }
}
