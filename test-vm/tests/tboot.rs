//! `measureroot predict --tboot`, compared with Debian's programs for tboot: `lcp2_mlehash`, which hashes what SINIT measures of tboot,
//! and `tb_polgen`, which hashes modules for a policy. There is no boot here: a launch needs a processor and a chipset with Intel
//! TXT.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Result, assets, ensure, tool};

const LIMIT: Duration = Duration::from_secs(60);
/// With this word, tboot extends every bank.
const EVERY_BANK: &str = "extpol=embedded";
const BANKS: [&str; 4] = ["sha1", "sha256", "sha384", "sha512"];

/// A program of the package.
fn program(name: &str) -> Result<PathBuf> {
    assets::product(&format!("test-vm/tboot/usr/sbin/{name}"))
}

fn tboot() -> Result<PathBuf> {
    assets::product("test-vm/tboot/boot/tboot.gz")
}

/// What `predict` says of tboot with this command line, and these modules.
fn predicted(line: &str, kernel: &Path, append: &str, more: &[&str]) -> Result<Value> {
    let mut predict = tool::measureroot(LIMIT)?;
    predict.args(["predict", "--json", "--tboot"]).arg(tboot()?).args(["--tboot-append", line, "--append", append]);
    predict.arg("--kernel").arg(kernel).args(more);
    Ok(serde_json::from_str(&tool::finish(&mut predict)?)?)
}

/// The digest of a part in a bank.
fn digest(predicted: &Value, part: usize, bank: &str) -> Result<String> {
    let digest = predicted["measured"][part]["digests"][bank].as_str();
    Ok(digest.ok_or_else(|| format!("no {bank} of part {part}: {predicted}"))?.to_owned())
}

/// The hex digits of a digest that the programs print with spaces.
fn joined(digest: &str) -> String {
    digest.split_whitespace().collect()
}

#[test]
fn the_mle_hash_is_that_of_lcp2_mlehash() -> Result<()> {
    let scratch = Scratch::new()?;
    let kernel = scratch.path("kernel");
    // As far as predict looks at it, a kernel such as Xen.
    std::fs::write(&kernel, b"\x7FELF and more")?;
    // lcp2_mlehash unpacks the file itself.
    let judge = |bank: &str, line: &str| -> Result<String> {
        let file = tboot()?;
        let arguments = ["--create", "--alg", bank, "--cmdline", line].map(AsRef::as_ref);
        let said = tool::output(LIMIT, program("lcp2_mlehash")?, arguments.into_iter().chain([file.as_os_str()]))?;
        Ok(joined(&said))
    };
    // The longest command line that tboot has room for.
    let longest = format!("{EVERY_BANK} {}", "x".repeat(510 - EVERY_BANK.len() - 1));
    for line in [
        EVERY_BANK,
        "logging=serial,memory,vga extpol=embedded  min_ram=0x2000000",
        "extpol=embedded \"a b\" x=\\x20",
        &longest,
    ] {
        let predicted = predicted(line, &kernel, "", &[])?;
        for bank in BANKS {
            assert_eq!(digest(&predicted, 0, bank)?, judge(bank, line)?, "{bank}: {line}");
        }
    }
    // The banks that tboot extends without that word, and with a TPM 1.2.
    for (line, bank, more) in [("", "sha256", &[][..]), ("logging=serial", "sha1", &["--tboot-map", "legacy"])] {
        let predicted = predicted(line, &kernel, "", more)?;
        assert_eq!(digest(&predicted, 0, bank)?, judge(bank, line)?, "{bank}: {line}");
        assert_eq!(predicted["measured"][0]["digests"].as_object().map(serde_json::Map::len), Some(1));
    }
    let mut long = tool::measureroot(LIMIT)?;
    long.args(["predict", "--tboot-append", &format!("{longest}x"), "--tboot"])
        .arg(tboot()?)
        .arg("--kernel")
        .arg(&kernel);
    let error = tool::finish(&mut long).err().ok_or("a command line that tboot cuts is predicted")?.to_string();
    ensure!(error.contains("is longer than 510 bytes"), "{error}");
    Ok(())
}

#[test]
fn the_digest_of_a_module_is_that_of_tb_polgen() -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = assets::product("test-vm/kernel-6.12")?;
    let (kernel, initrd) = (folder.join("vmlinuz"), scratch.path("initrd"));
    std::fs::write(&initrd, "an initrd")?;
    let initrd_name = initrd.to_str().ok_or("a path in UTF-8")?.to_owned();
    let line = "root=/dev/vda ro  quiet";
    let found = predicted(EVERY_BANK, &kernel, line, &["--initrd", &initrd_name])?;
    for bank in BANKS {
        let policy = scratch.path(bank);
        let run = |arguments: &[&str]| {
            let arguments = arguments.iter().map(AsRef::as_ref).chain([policy.as_os_str()]);
            tool::output(LIMIT, program("tb_polgen")?, arguments)
        };
        run(&["--create", "--type", "nonfatal", "--alg", bank])?;
        for (number, words, file) in [("0", line, &kernel), ("1", "", &initrd)] {
            let file = file.to_str().ok_or("a path in UTF-8")?;
            run(&["--add", "--num", number, "--pcr", "none", "--hash", "image", "--cmdline", words, "--image", file])?;
        }
        let said = run(&["--show"])?;
        let hashes: Vec<_> =
            said.lines().filter_map(|line| line.trim().strip_prefix("hashes[0]: ")).map(joined).collect();
        // Before them are the MLE and the policy.
        assert_eq!(hashes, [digest(&found, 2, bank)?, digest(&found, 3, bank)?], "{bank}: {said}");
    }
    Ok(())
}
