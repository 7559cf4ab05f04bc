//! Standard input and output as a TPM, for tpm2-tools: `tpm2_pcrread -T "cmd:tpm-relay SWTPM_CONTROL_SOCKET"`.

use std::io::{Read, Write, stdin, stdout};
use std::path::Path;
use test_vm::{Result, outside::Outside};

fn main() -> Result<()> {
    let control = std::env::args_os().nth(1).ok_or("usage: tpm-relay SWTPM_CONTROL_SOCKET")?;
    let mut tpm = Outside::connect(Path::new(&control))?;
    let mut header = [0; 6];
    // Tag and size come first; the end of the input between two commands is the end.
    while stdin().read_exact(&mut header).is_ok() {
        let [_, _, size @ ..] = header;
        let rest = usize::try_from(u32::from_be_bytes(size))?.saturating_sub(header.len());
        let mut command = header.to_vec();
        command.resize(header.len() + rest, 0);
        stdin().read_exact(&mut command[header.len()..])?;
        stdout().write_all(&tpm.command(&command)?)?;
        stdout().flush()?;
    }
    Ok(())
}
