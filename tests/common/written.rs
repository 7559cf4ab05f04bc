//! Another program that writes to a file while a command reads it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Ran;

/// Whether the command, which calls the file `name`, refuses it and prints nothing while the same bytes are written to it again and again.
pub(crate) fn is_refused_while_written(live: &Path, name: &str, mut command: impl FnMut() -> Command) -> bool {
    let file = File::options().read(true).write(true).open(live).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0).unwrap();
    let said = format!("{name}: was changed while it was read (");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                file.write_all_at(&byte, 0).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        // A busy machine may not run the writer while the command reads.
        let is_refused = (0..50).any(|_| {
            let Ran { code, out, err } = command().output().unwrap().into();
            code != 0 && out.is_empty() && err.contains(&said)
        });
        is_over.store(true, Ordering::Relaxed);
        is_refused
    })
}
