//! The files that the commands take, in a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::elf::{PC, agent, module};
use super::{ROOT, Ran, program, squashfs};

/// A folder with a valid file for each option of each command.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("image", &squashfs(b"image"));
        files.write("agent", &agent("agent"));
        files.write("config", b"CONFIG_A=y\n");
        files.write("a.cfg", b"# why\nCONFIG_A=y\n");
        files.write("list", br#"{"images": []}"#);
        fs::create_dir_all(files.path("6.1.0/kernel")).unwrap();
        files.write("6.1.0/modules.dep", b"kernel/overlay.ko:\n");
        files.write("6.1.0/kernel/overlay.ko", &module(PC, "overlay", "6.1.0"));
        files
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs the words of a line in the folder, in which `EV` are the recorded files of a boot.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program());
        let evidence = format!("{ROOT}/tests/evidence/drtm");
        command.args(line.split(' ').map(|word| word.replace("EV", &evidence))).current_dir(self.0.path());
        command
    }

    pub(crate) fn ran(&self, line: &str) -> Ran {
        self.command(line).output().unwrap().into()
    }

    /// The names of the files in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}
