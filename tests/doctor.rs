//! `measureroot doctor`: what it judges, how it prints that, and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::path::Path;

use common::{Ran, measureroot, run, text};
use serde_json::Value;

/// The identifiers of the findings in JSON.
fn ids(printed: &Value) -> Vec<&str> {
    printed["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect()
}

/// A machine without a TPM, with these files.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let machine = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (path, content) in files {
        let path = machine.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    machine
}

/// The configuration of Debian's kernel.
fn debian_config() -> String {
    run(text(&Path::new(common::ROOT).join("kernel-fragments/debian-config")), &[])
}

#[test]
fn files_alone_are_judged_without_a_machine() {
    let config = debian_config();
    let ran = measureroot(&["doctor", "--json", "--kernel-config", &config]);
    let printed = ran.json();
    assert_eq!(ids(&printed), ["kernel-complete", "seal-not-judged", "machine-not-judged"], "{}", ran.out);
    assert!(ran.code == 0 && printed["worst"] == "note", "{}", ran.out);
}

#[test]
fn the_worst_finding_is_the_exit_code() {
    let config = debian_config();
    for (line, code, mark) in [
        ("root=/dev/vda", 0, "+ ok   command-line-accepted: "),
        ("root=/dev/vda measureroot.seal=none", 3, "! warn command-line-no-seal: "),
        ("root=/dev/vda root_img=/a", 4, "x fail command-line-refused: "),
    ] {
        let arguments = ["doctor", "--kernel-config", &config, "--command-line", line];
        let Ran { code: ended, out, err } = measureroot(&arguments);
        assert!(ended == code && out.lines().any(|found| found.starts_with(mark)), "{line}: {ended}: {out}{err}");
        let json = measureroot(&[&arguments[..], &["--json"]].concat());
        assert_eq!(json.code, code, "{line}: {}", json.out);
    }
}

#[test]
fn a_machine_without_a_tpm_fails() {
    let machine = machine(&[("sys/firmware/acpi/tables/FACP", ""), ("proc/cmdline", "root=/dev/vda\n")]);
    let Ran { code, out, err } = measureroot(&["doctor", "--root", text(machine.path())]);
    assert!(code == 4 && out.starts_with("x fail tpm-missing: "), "{out}{err}");
    assert!(out.trim_end().lines().last().unwrap().starts_with("1 fail, "), "{out}");
}

#[test]
fn what_was_named_must_be_readable() {
    for arguments in [["--kernel-config", "/no-such-file"], ["--modules", "/no-such-file"], ["--root", "/no-such-file"]]
    {
        let Ran { code, out, err } = measureroot(&[&["doctor"], &arguments[..]].concat());
        assert!(code == 1 && out.is_empty() && err.contains("/no-such-file"), "{arguments:?}: {code}: {out}{err}");
    }
    assert_eq!(measureroot(&["doctor", "--no-such-option"]).code, 2);
}

#[test]
fn a_finding_is_explained_as_on_the_page() {
    let explained = measureroot(&["doctor", "--explain", "tpm-missing"]).printed();
    let lines: Vec<_> = explained.lines().collect();
    let [title, why, advice] = lines.as_slice() else { panic!("{explained}") };
    assert_eq!(*title, "tpm-missing (fail)");
    let page = fs::read_to_string(Path::new(common::ROOT).join("docs/doctor.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains(&format!("## tpm-missing **fail.** {why} What to do: {advice}.")), "{explained}");
    for wrong in [&["--explain", "no-such-finding"][..], &["--explain", "tpm-missing", "--json"]] {
        assert_eq!(measureroot(&[&["doctor"], wrong].concat()).code, 2, "{wrong:?}");
    }
}

#[test]
fn the_configuration_is_found_wherever_a_distribution_has_it() {
    let config = fs::read_to_string(debian_config()).unwrap();
    for place in [
        "proc/config.gz",
        "boot/config-6.1.0",
        "lib/modules/6.1.0/config",
        "usr/lib/modules/6.1.0/config",
        "run/booted-system/kernel-modules/lib/modules/6.1.0/config",
        "usr/lib/modules/6.1.0/build/.config",
    ] {
        let machine = machine(&[("proc/sys/kernel/osrelease", "6.1.0\n"), ("proc/cmdline", "root=/dev/vda\n")]);
        let path = machine.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let plain = path.with_file_name(path.file_name().unwrap().to_str().unwrap().trim_end_matches(".gz"));
        fs::write(&plain, &config).unwrap();
        if plain != path {
            run("gzip", &[text(&plain)]);
        }
        // The modules that the folder has, on a machine whose package manager ran depmod.
        if let Some((folder, _)) = place.split_once("/config").filter(|(folder, _)| folder.contains("modules/")) {
            let modules = "squashfs overlay dm-verity loop erofs ext4 sha256_generic tpm_tis tpm_crb";
            let modules: Vec<_> = modules.split(' ').map(|name| format!("kernel/{name}.ko:")).collect();
            fs::write(machine.path().join(folder).join("modules.dep"), modules.join("\n")).unwrap();
        }
        let ran = measureroot(&["doctor", "--json", "--root", text(machine.path())]);
        let printed = ran.json();
        let ids = ids(&printed);
        assert!(!ids.contains(&"kernel-unknown"), "{place}: {}", ran.out);
        assert!(!ran.out.contains(text(&path)), "{place}: {}", ran.out);
        assert!(ids.iter().any(|id| id.starts_with("kernel-")), "{place}: {}", ran.out);
    }
}
