//! Each reader of hostile bytes has a fuzz target: the table of fuzz/README.md names it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Readers of bytes that no stranger chooses, or that another check comes before.
const OTHERS: [&str; 5] = [
    "src/cursor.rs",
    // The builder's own file.
    "src/cli/initramfs/zstd_frame.rs",
    // It is a part of the measured image.
    "src/root/program.rs",
    // A text of the kernel command line, which `cmdline` reads.
    "src/seal/prepared_devices.rs",
    // Answers of the TPM: tests/tpm_faults.rs and tests/interposer.rs.
    "src/tpm/leftovers.rs",
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The rows of the table: the target, and the readers.
fn table() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(Path::new(ROOT).join("fuzz/README.md")).unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split(" | ").collect();
        (quoted(cells[0])[0].clone(), quoted(cells[3]))
    })
    .collect()
}

#[test]
fn each_target_has_a_row_seeds_and_a_program() {
    let named: BTreeSet<_> = table().into_iter().map(|(target, _)| target).collect();
    let fuzz = Path::new(ROOT).join("fuzz");
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let found: BTreeSet<_> = files(&fuzz.join("fuzz_targets")).into_iter().map(stem).collect();
    assert_eq!(named, found);
    let programs = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for target in found {
        assert!(programs.contains(&format!("name = \"{target}\"\n")), "Cargo.toml: {target}");
        assert!(!files(&fuzz.join("corpus").join(&target)).is_empty(), "corpus: {target}");
    }
}

#[test]
fn each_reader_of_hostile_bytes_has_a_target() {
    let readers: Vec<_> = table().into_iter().flat_map(|(_, readers)| readers).collect();
    let mut missing = Vec::new();
    for path in files(&Path::new(ROOT).join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
        let reads = text.contains("use crate::cursor::") || text.contains("use super::der::");
        let has_target =
            readers.iter().any(|reader| *reader == name || reader.ends_with('/') && name.starts_with(reader));
        if reads && !has_target && !OTHERS.contains(&name.as_str()) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "fuzz/README.md names no target for {missing:?}");
}
