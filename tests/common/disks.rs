//! Disks with tables and file systems that other programs make.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{run, run_with, text};

pub(crate) const MIB: u64 = 1 << 20;

/// Makes a FAT of `kib` KiB with what is in a folder. Before that, `fill` makes it full of holes.
pub(crate) fn fat(image: &Path, kib: u64, more: &[&str], tree: &Path, fill: bool) {
    fs::remove_file(image).ok();
    let image = text(image);
    run("mkfs.vfat", &[more, &["-C", image, &kib.to_string()]].concat());
    let hole = format!("{image}.hole");
    if fill {
        fs::write(&hole, vec![0; 100_000]).unwrap();
        let names: Vec<_> = (0..30).map(|number| format!("::{number}")).collect();
        let fits = |name: &&String| {
            std::process::Command::new("mcopy").args(["-i", image, &hole, name]).output().unwrap().status.success()
        };
        let made: Vec<_> = names.iter().take_while(fits).collect();
        assert!(made.len() > 10, "{made:?}");
        made.iter().step_by(2).for_each(|name| drop(run("mdel", &["-i", image, name])));
    }
    for entry in fs::read_dir(tree).unwrap() {
        run("mcopy", &["-s", "-i", image, text(&entry.unwrap().path()), "::"]);
    }
}

/// Makes a disk of `mib` MiB with sfdisk, and copies each image to the place of its partition.
pub(crate) fn disk(top: &Path, mib: u64, script: &str, parts: &[(&Path, u64)]) -> String {
    let path = top.join("disk.img");
    fs::remove_file(&path).ok();
    let file = File::create_new(&path).unwrap();
    file.set_len(mib * MIB).unwrap();
    run_with("sfdisk", &["--quiet", text(&path)], script);
    for (image, at) in parts {
        file.write_all_at(&fs::read(image).unwrap(), at * MIB).unwrap();
    }
    text(&path).to_owned()
}

/// Makes a CD with xorriso from the folder `iso`.
pub(crate) fn cd(top: &Path, more: &[&str]) -> String {
    let (path, folder) = (top.join("cd.iso"), top.join("iso"));
    let start = ["-as", "mkisofs", "-quiet", "-rational-rock", "-iso-level", "3", "-volid", "A_CD", "-output"];
    run("xorriso", &[&start[..], &[text(&path)], more, &[text(&folder)]].concat());
    text(&path).to_owned()
}
