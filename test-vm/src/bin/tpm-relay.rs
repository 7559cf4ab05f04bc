//! A TPM on standard input and output, for tpm2-tools: `tpm2_pcrread -T "cmd:tpm-relay SWTPM_CONTROL_SOCKET"`.

use std::io::{stdin, stdout};
use std::path::Path;
use test_vm::{Result, tpm_channel::TpmChannel};

fn main() -> Result<()> {
    let control = std::env::args_os().nth(1).ok_or("usage: tpm-relay SWTPM_CONTROL_SOCKET")?;
    TpmChannel::connect(Path::new(&control))?.relay(stdin(), stdout())
}
