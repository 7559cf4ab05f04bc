//! The kernel fragments, and the command that checks a configuration against them: with Debian's kernel, and with broken input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use common::{ROOT, Ran, program, run, text};

/// The fragments that Debian's kernel for clouds does not meet.
const LACKING: [&str; 3] = ["erofs-compressors.cfg", "sata.cfg", "usb-storage.cfg"];

fn folder() -> PathBuf {
    Path::new(ROOT).join("kernel-fragments")
}

/// Writes a file for one test.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

fn debian_config() -> PathBuf {
    run(text(&folder().join("debian-config")), &[]).into()
}

/// A checkout with the fragments, and the program of this build where `check` looks for it.
static CHECKOUT: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let checkout = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir_all(checkout.path().join("target/release")).unwrap();
    symlink(program(), checkout.path().join("target/release/measureroot")).unwrap();
    symlink(folder(), checkout.path().join("kernel-fragments")).unwrap();
    checkout
});

/// `kernel-fragments/check` of this build.
fn script() -> Command {
    let mut script = Command::new(CHECKOUT.path().join("kernel-fragments/check"));
    script.env_remove("CARGO_TARGET_DIR").current_dir(folder());
    script
}

fn check(config: &Path, fragments: &[&Path]) -> Ran {
    script().arg(config).args(fragments).output().unwrap().into()
}

/// Checks a configuration against a fragment. Both are texts. The name of their files must be new.
fn check_text(name: &str, config: &str, fragment: &str) -> Ran {
    let config = file(&format!("{name}.config"), config);
    check(&config, &[&file(&format!("{name}.cfg"), fragment)])
}

fn named(extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "no .{extension} file");
    files
}

/// The symbol and the value of a line that asks for an option.
fn request(line: &str) -> Option<(&str, &str)> {
    match line.strip_prefix("# ") {
        Some(comment) => Some((comment.strip_suffix(" is not set")?, "n")),
        None => line.split_once('='),
    }
    .filter(|(symbol, _)| symbol.starts_with("CONFIG_"))
}

#[test]
fn debian_s_kernel_has_all_options_that_the_boot_tests_need() {
    let verdict = check(&debian_config(), &[Path::new("test-vm.scc")]);
    assert_eq!(verdict.code, 0, "{}", verdict.out);
    assert!(verdict.out.contains("module:  CONFIG_SQUASHFS: the initramfs must carry it"), "{}", verdict.out);
}

#[test]
fn debian_s_cloud_kernel_lacks_only_drivers_that_clouds_do_not_need() {
    let verdict = check(&debian_config(), &[]);
    assert_eq!(verdict.code, 1, "{}", verdict.out);
    for line in verdict.out.lines().filter(|line| line.starts_with("missing:") || line.starts_with("differs:")) {
        assert!(LACKING.iter().any(|fragment| line.contains(&format!("({fragment})"))), "{line}");
    }
    assert!(verdict.out.contains("missing: CONFIG_USB_STORAGE=y (usb-storage.cfg)"), "{}", verdict.out);
}

#[test]
fn debian_s_kernel_can_be_a_guest_of_xen() {
    let verdict = check(&debian_config(), &[Path::new("xen.scc")]);
    assert_eq!(verdict.code, 0, "{}", verdict.out);
    assert!(verdict.out.contains("module:  CONFIG_TCG_XEN: the initramfs must carry it"), "{}", verdict.out);
}

#[test]
fn the_check_names_a_missing_option() {
    let whole = fs::read_to_string(debian_config()).unwrap();
    for (symbol, line, instead) in [
        ("OVERLAY_FS", "CONFIG_OVERLAY_FS=m\n", ""),
        ("TMPFS_XATTR", "CONFIG_TMPFS_XATTR=y\n", "# CONFIG_TMPFS_XATTR is not set\n"),
        ("TCG_TPM", "CONFIG_TCG_TPM=y\n", ""),
        ("DM_VERITY", "CONFIG_DM_VERITY=m\n", ""),
    ] {
        assert!(whole.contains(line), "Debian's configuration has no line {line}");
        let config = file(&format!("lost-{symbol}.config"), &whole.replace(line, instead));
        let verdict = check(&config, &[Path::new("test-vm.scc")]);
        assert_eq!(verdict.code, 1, "{symbol}");
        assert!(verdict.out.contains(&format!("missing: CONFIG_{symbol}=y (")), "{symbol}: {}", verdict.out);
        assert_eq!(verdict.out.matches("missing: ").count(), 1, "{}", verdict.out);
    }
}

#[test]
fn a_module_is_accepted_unless_the_fragment_says_built_in() {
    let verdict = check_text("module", "CONFIG_A=m\n", "# why\nCONFIG_A=y\n");
    assert_eq!(verdict.code, 0);
    assert!(verdict.out.contains("module:  CONFIG_A: the initramfs must carry it (module.cfg)"), "{}", verdict.out);
    let verdict = check_text("built-in", "CONFIG_A=m\n", "# built-in: it carries the modules\nCONFIG_A=y\n");
    assert_eq!(verdict.code, 1);
    assert!(
        verdict.out.contains("differs: CONFIG_A is a module and must be built in (built-in.cfg)"),
        "{}",
        verdict.out
    );
    assert_eq!(check_text("more", "CONFIG_A=y\n", "# why\nCONFIG_A=m\n").code, 0);
}

#[test]
fn a_different_value_is_reported_with_its_reason() {
    let config = "CONFIG_N=17\nCONFIG_S=\"two words\"\nCONFIG_ON=y\n# CONFIG_OFF is not set\n";
    let same = "# why\nCONFIG_N=17\n# why\nCONFIG_S=\"two words\"\n# why\n# CONFIG_OFF is not set\n# why\n# CONFIG_GONE is not set\n";
    assert_eq!(check_text("same", config, same).code, 0);
    for (name, fragment, said) in [
        ("number", "CONFIG_N=18", "differs: CONFIG_N is 17, asked for 18"),
        ("string", "CONFIG_S=\"two\"", "differs: CONFIG_S is \"two words\", asked for \"two\""),
        ("off", "# CONFIG_ON is not set", "differs: CONFIG_ON is y, asked for n"),
        ("on", "CONFIG_OFF=y", "missing: CONFIG_OFF=y"),
    ] {
        let verdict = check_text(name, config, &format!("# why\n{fragment}\n"));
        assert_eq!(verdict.code, 1, "{name}");
        assert!(verdict.out.contains(said), "{name}: {}", verdict.out);
        assert!(verdict.out.contains(": why\n"), "the reason is missing: {}", verdict.out);
    }
}

#[test]
fn an_option_that_is_newer_than_the_kernel_is_skipped() {
    let fragment = "# why\nCONFIG_A=y\n# since 6.10: why\nCONFIG_B=y\n";
    let kernel = |version| format!("# Linux/x86 {version} Kernel Configuration\nCONFIG_A=y\n");
    let old = check_text("old", &kernel("6.1.192"), fragment);
    assert_eq!(old.code, 0, "{}", old.out);
    assert!(old.out.contains("CONFIG_B came with Linux 6.10, this is 6.1"), "{}", old.out);
    assert_eq!(check_text("new", &kernel("6.12.3"), fragment).code, 1);
    assert_eq!(check_text("unknown", "CONFIG_A=y\n", fragment).code, 1);
}

#[test]
fn a_compressed_configuration_is_read() {
    let plain = file("packed", "CONFIG_A=y\n");
    run("gzip", &["-f", "-k", text(&plain)]);
    let fragment = file("packed.cfg", "# why\nCONFIG_A=y\n");
    assert_eq!(check(&plain.with_extension("gz"), &[&fragment]).code, 0);
    let without_ending = plain.with_file_name("config-packed");
    fs::copy(plain.with_extension("gz"), &without_ending).unwrap();
    assert_eq!(check(&without_ending, &[&fragment]).code, 0);
}

#[test]
fn a_configuration_or_fragment_that_cannot_be_read_is_refused() {
    let good = file("good.config", "CONFIG_A=y\n");
    let fragment = file("good.cfg", "# why\nCONFIG_A=y\n");
    for (config, fragment, said) in [
        (file("empty.config", ""), fragment.clone(), "empty.config: has no CONFIG_ line"),
        (file("junk.config", "CONFIG_A=y\nhello\n"), fragment.clone(), "junk.config, line 2"),
        (file("novalue.config", "CONFIG_A=\n"), fragment.clone(), "novalue.config, line 1"),
        (file("notpacked.gz", "CONFIG_A=y\n"), fragment.clone(), "is it gzip-compressed?"),
        (PathBuf::from("absent.config"), fragment.clone(), "absent.config: No such file"),
        (good.clone(), PathBuf::from("absent.cfg"), "fragment absent.cfg: No such file"),
        (good.clone(), file("junk.cfg", "# why\nCONFIG_A y\n"), "junk.cfg, line 2"),
        (good.clone(), file("nothing.cfg", "# only words\n"), "ask for nothing"),
        (good.clone(), file("verb.scc", "patch a.patch\n"), "unknown word patch"),
        (good.clone(), file("lost.scc", "kconf non-hardware absent.cfg\n"), "absent.cfg: No such file"),
        (good.clone(), file("fragment.txt", "CONFIG_A=y\n"), "neither a .cfg nor a .scc"),
        (PathBuf::from("--frobnicate"), fragment, "unexpected argument '--frobnicate'"),
    ] {
        let verdict = check(&config, &[&fragment]);
        assert_eq!(verdict.code, 2, "{said}: {}{}", verdict.out, verdict.err);
        assert!(verdict.err.contains(said), "expected {said:?}, got {}", verdict.err);
    }
}

#[test]
fn the_default_is_what_a_measured_boot_needs() {
    let listed = |words: &[&str]| {
        let out = Ran::from(script().arg("--list").args(words).output().unwrap()).printed();
        out.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let default = listed(&[]);
    assert_eq!(default, listed(&["measureroot.scc"]));
    assert_eq!(default[..3], ["initramfs.cfg", "modules.cfg", "tpm.cfg"]);
}

/// The features of measureroot.scc that a builder may leave out: a kernel without modules, an erofs without compression and an image
/// that is a device boot without them.
const OPTIONAL: [&str; 3] = ["modules.scc", "erofs-compressors.scc", "media.scc"];

#[test]
fn a_builder_s_default_has_every_feature_that_each_boot_needs() {
    let of = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let whole = of("kernel-fragments/measureroot.scc");
    let mut needed: Vec<_> = whole.lines().filter_map(|line| line.strip_prefix("include ")).collect();
    needed.retain(|feature| !OPTIONAL.contains(feature));
    let needed = needed.join(" ");
    for (path, before, after) in [
        ("initramfs/installed/openembedded/conf/layer.conf", "MEASUREROOT_KERNEL_FEATURES ?= \"", "\""),
        (
            "initramfs/installed/buildroot/package/measureroot/Config.in",
            "FRAGMENTS\n\tstring \"kernel fragments to check\"\n\tdefault \"",
            "\"",
        ),
        (
            "docs/openembedded.md",
            "`MEASUREROOT_KERNEL_FEATURES` | files of [kernel-fragments/](../kernel-fragments): the kernel gets their options, and is checked for them | `",
            "`",
        ),
        (
            "docs/buildroot.md",
            "`BR2_PACKAGE_MEASUREROOT_KERNEL_FRAGMENTS` | files of [kernel-fragments/](../kernel-fragments): the kernel is checked for their options | `",
            "`",
        ),
    ] {
        let text = of(path);
        let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{path}: no list"));
        assert_eq!(rest.split(after).next(), Some(needed.as_str()), "{path}");
    }
    // The kernel of Buildroot's example gets their files.
    let example = of("initramfs/installed/buildroot/configs/measureroot_qemu_x86_64_defconfig");
    let files = Ran::from(script().arg("--list").args(needed.split(' ')).output().unwrap()).printed();
    for file in files.lines().map(|line| line.rsplit('/').next().unwrap()) {
        assert!(example.contains(&format!("/kernel-fragments/{file}")), "{file}");
    }
}

#[test]
fn the_files_of_several_fragments_are_listed_in_the_order_of_merging() {
    let listed = Ran::from(script().args(["--list", "tpm.scc", "loop.cfg"]).output().unwrap()).printed();
    assert_eq!(listed, "tpm.cfg\ntpm-hardware.cfg\nloop.cfg\n");
}

#[test]
fn quiet_prints_failures_alone() {
    let config = file("quiet.config", "# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_A=m\n");
    let fragment = file("quiet.cfg", "# why\nCONFIG_A=y\n# since 6.2: why\nCONFIG_B=y\n# why\nCONFIG_C=y\n");
    let quiet = Ran::from(script().arg("--quiet").args([&config, &fragment]).output().unwrap());
    assert_eq!((quiet.code, quiet.out.as_str()), (1, "missing: CONFIG_C=y (quiet.cfg): why\n"), "{}", quiet.err);
}

#[test]
fn the_last_line_counts() {
    let config = file("count.config", "# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_A=m\n");
    let fragment = file("count.cfg", "# why\nCONFIG_A=y\n# why\nCONFIG_B=y\n");
    let verdict = check(&config, &[&fragment]);
    let last = format!("2 options checked against {} (Linux 6.1): 1 missing or different, 1 module", config.display());
    assert_eq!(verdict.out.lines().last(), Some(last.as_str()));
}

#[test]
fn a_missing_program_is_named_with_what_makes_it() {
    let mut bash = Command::new("/bin/bash");
    bash.arg(folder().join("check")).args(["--list"]).env("CARGO_TARGET_DIR", "/nowhere");
    // dirname alone: no measureroot is on this path.
    let tools = tempfile::tempdir().unwrap();
    symlink("/usr/bin/dirname", tools.path().join("dirname")).unwrap();
    let verdict = Ran::from(bash.env("PATH", tools.path()).output().unwrap());
    assert_eq!(verdict.code, 2, "{}", verdict.err);
    assert!(verdict.err.contains("run initramfs/build, or install the package measureroot"), "{}", verdict.err);
}

#[test]
fn every_option_has_its_reason_in_a_comment() {
    for path in named("cfg") {
        let text = fs::read_to_string(&path).unwrap();
        let mut before = "";
        for line in text.lines() {
            if request(line).is_some() {
                let reasoned = before.starts_with("# ") && request(before).is_none();
                assert!(reasoned, "{}: {line} has no reason above it", path.display());
            }
            before = line;
        }
    }
}

#[test]
fn the_fragments_agree_with_each_other() {
    let mut asked = BTreeMap::new();
    for path in named("cfg") {
        for (symbol, value) in fs::read_to_string(&path).unwrap().lines().filter_map(request) {
            let before = asked.entry(symbol.to_owned()).or_insert_with(|| value.to_owned());
            assert_eq!(before, value, "{symbol}, asked for again in {}", path.display());
        }
    }
}

/// The part of the grammar of OpenEmbedded's tools that the features use.
#[test]
fn every_fragment_is_in_a_well_formed_feature() {
    let mut used = BTreeSet::new();
    for path in named("scc") {
        let text = fs::read_to_string(&path).unwrap();
        let mut defined = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<_> = line.split(' ').collect();
            match words.as_slice() {
                ["define", "KFEATURE_DESCRIPTION", description @ ..] => {
                    let description = description.join(" ");
                    assert!(
                        description.len() > 2 && description.starts_with('"') && description.ends_with('"'),
                        "{line}"
                    );
                    defined.push("description");
                }
                ["define", "KFEATURE_COMPATIBILITY", "all" | "arch" | "board"] => defined.push("compatibility"),
                ["include", name] | ["kconf", "hardware" | "non-hardware", name] => {
                    assert!(folder().join(name).is_file(), "{}: no file {name}", path.display());
                    used.insert(folder().join(name));
                }
                _ => panic!("{}: not understood: {line}", path.display()),
            }
        }
        assert_eq!(defined, ["description", "compatibility"], "{}", path.display());
    }
    for path in named("cfg") {
        assert!(used.contains(&path), "no .scc names {}", path.display());
    }
}
