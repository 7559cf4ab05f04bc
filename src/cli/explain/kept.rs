//! The part of a command line that the kernel keeps.

/// `COMMAND_LINE_SIZE` of Linux, with the NUL at the end: arch/x86/include/asm/setup.h and arch/arm64/include/uapi/asm/setup.h.
const COMMAND_LINE_SIZE: usize = 2048;

/// How many characters of the lost part are shown.
const SHOWN: usize = 80;

/// The part of the line that the kernel keeps, and what is to say about the rest.
pub(in crate::cli) fn of(line: &[u8]) -> (&[u8], Option<String>) {
    let limit = COMMAND_LINE_SIZE - 1;
    let (kept, lost) = line.split_at(limit.min(line.len()));
    if lost.trim_ascii().is_empty() {
        return (line, None);
    }
    let shown: String = String::from_utf8_lossy(lost).chars().take(SHOWN).collect();
    let said = format!(
        "CUT OFF: on x86-64 and arm64 the kernel keeps {limit} bytes of a command line, and this one has {}: all from \"{shown}\" on is lost",
        line.len()
    );
    (kept, Some(said))
}
