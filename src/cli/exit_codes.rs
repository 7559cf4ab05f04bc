//! The exit codes of all commands: one table, which the manual prints.

/// What a command's exit code means.
pub(super) struct ExitCode {
    /// The commands, separated by commas.
    pub(super) commands: &'static str,
    /// The code.
    pub(super) code: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
}

const fn row(commands: &'static str, code: &'static str, meaning: &'static str) -> ExitCode {
    ExitCode { commands, code, meaning }
}

const SIMPLE: &str = "predict, initramfs, explain, attest, completion, man";

/// The table. Two families: commands that answer a question have a code for "no"; of the others, 1 is a failure.
pub(super) const ALL: [ExitCode; 19] = [
    row(
        SIMPLE,
        "0",
        "Done. `predict`: the output says which PCRs do not follow, and why; if that of the root image does not, a warning says so.",
    ),
    row(
        SIMPLE,
        "1",
        "Failed: an input cannot be read or is refused, or the output cannot be written; `explain`: the boot would fail, or the kernel may start without measureroot; `attest`: the TPM refuses, or what it gives does not pass the verifier's checks.",
    ),
    row(SIMPLE, "2", "Wrong arguments."),
    row("replay", "0", "The logs lead to the PCRs, or there was no comparison."),
    row("replay", "1", "They do not."),
    row(
        "replay",
        "2",
        "Wrong arguments, or a log, the PCRs or the TPM cannot be read, or the output cannot be written.",
    ),
    row("kernel-config", "0", "No option is missing."),
    row("kernel-config", "1", "An option is missing."),
    row("kernel-config", "2", "Wrong arguments, or a file cannot be read, or the output cannot be written."),
    row("doctor", "0", "Nothing is worse than a note."),
    row("doctor", "3", "A warning is the worst finding: a measured boot works, and proves less than it could."),
    row("doctor", "4", "A failure is the worst finding: a measured boot fails, or proves nothing."),
    row("doctor", "1", "No judgement: a file that was named cannot be read, or the output cannot be written."),
    row("doctor", "2", "Wrong arguments."),
    row("verify", "0", "Trusted."),
    row("verify", "3", "Not trusted."),
    row("verify", "4", "Broken evidence, which proves nothing."),
    row("verify", "1", "No verdict: a file cannot be read or is refused, or the output cannot be written."),
    row("verify", "2", "Wrong arguments."),
];
