//! What is measured: the image's bytes, all of them, once, into one PCR, in every bank.

use std::process::Command;
use std::time::Duration;
use test_vm::{Bank, Image, Prediction, Result, Vm, assets, ensure, tool};

#[test]
fn the_digests_are_those_of_coreutils_and_the_arithmetic_is_the_tpm_s() -> Result<()> {
    let image = Image::small("squashfs")?;
    let guest = Vm::new("root=/dev/vda").disk(&image).boots()?;
    guest.ends_measured(&image)?;
    let predicted = Prediction::of(image.path())?.banks;
    assert_eq!(predicted.len(), Bank::ALL.len());
    for (bank, measured) in predicted {
        assert_eq!(measured.digest, bank.of_file(image.path())?);
        assert_eq!(measured.after, bank.extend(&bank.zeros(), &measured.digest)?);
    }
    Ok(())
}

#[test]
fn tpm2_pcrread_shows_the_prediction() -> Result<()> {
    let image = Image::small("erofs")?;
    let ended = Vm::new("root=/dev/vda").disk(&image).boots()?.ends_measured(&image)?;
    let relay = format!("cmd:{} {}", env!("CARGO_BIN_EXE_tpm-relay"), ended.tpm()?.control().display());
    let mut read = tool::limited(Duration::from_secs(30), "tpm2_pcrread");
    let shown = tool::finish(read.args(["-T", &relay, "sha1:13+sha256:13+sha384:13+sha512:13"]))?.to_lowercase();
    for value in Prediction::of(image.path())?.after().values() {
        ensure!(shown.contains(&format!("0x{value}")), "tpm2_pcrread does not show {value}:\n{shown}");
    }
    Ok(())
}

/// The value is the one that meta-measured's `sha1sum | awk | tr -d '\n' | tpm_extendpcr` leads to.
#[test]
fn an_image_in_the_format_of_meta_measured() -> Result<()> {
    let image = Image::small("squashfs")?;
    let predicted = Prediction::with(image.path(), &["--image-format", "meta-measured", "--pcr", "9"])?;
    for (bank, measured) in &predicted.banks {
        assert_eq!(measured.digest, bank.of(bank.of_file(image.path())?.as_bytes())?);
    }
    let line = "root=/dev/vda measureroot rootimgpcr=9 measureroot.format=meta-measured";
    let mut guest = Vm::new(line).disk(&image).boots()?;
    assert_eq!(guest.status()?.image.format.as_deref(), Some("meta-measured"));
    let ended = guest.ends_as(&predicted)?;
    ended.holds_nothing(13)
}

#[test]
fn one_flipped_bit_of_the_image_is_another_pcr_in_every_bank() -> Result<()> {
    let image = Image::small("squashfs")?;
    let flipped = image.flipped(assets::SQUASHFS_TIME)?;
    let ended = Vm::new("root=/dev/vda").disk(&flipped).boots()?.ends_measured(&flipped)?;
    let held = ended.pcrs(13)?;
    let expected = Prediction::of(image.path())?.after();
    assert_eq!(held.len(), expected.len());
    ensure!(held.iter().all(|(bank, value)| expected[bank] != *value), "{held:?} is partly that of the whole image");
    Ok(())
}

#[test]
fn a_second_boot_of_the_same_machine_measures_the_same() -> Result<()> {
    let image = Image::small("squashfs")?;
    let mut guest = Vm::new("root=/dev/vda").disk(&image).boots()?;
    let first = guest.measured(&image)?;
    let mut guest = guest.reboot()?;
    assert_eq!(guest.measured(&image)?, first);
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_tpm_with_fewer_banks_is_measured_into_all_it_has() -> Result<()> {
    let image = Image::small("squashfs")?;
    let mut guest = Vm::new("root=/dev/vda").banks(&[Bank::Sha1, Bank::Sha384]).disk(&image).boots()?;
    let (status, predicted) =
        (guest.status()?, Prediction::with(image.path(), &["--bank", "sha1", "--bank", "sha384"])?);
    assert_eq!(status.banks, predicted.banks);
    assert_eq!(guest.power_off()?.pcrs(13)?, predicted.after());
    Ok(())
}

#[test]
fn another_pcr_when_the_command_line_names_it() -> Result<()> {
    let image = Image::small("squashfs")?;
    let mut guest = Vm::new("root=/dev/vda rootimgpcr=23").disk(&image).boots()?;
    assert_eq!(guest.status()?.pcr, 23);
    let ended = guest.power_off()?;
    assert_eq!(ended.pcrs(23)?, Prediction::with(image.path(), &["--pcr", "23"])?.after());
    ended.holds_nothing(13)
}

#[test]
fn a_boot_that_is_not_measured_cannot_be_taken_for_one_that_is() -> Result<()> {
    let image = Image::small("squashfs")?;
    let mut guest = Vm::new("root=/dev/vda measureroot=off").disk(&image).boots()?;
    let status: serde_json::Value = serde_json::from_str(&guest.read("/run/measureroot/status.json")?)?;
    assert_eq!(status["measured"], false);
    let ended = guest.power_off()?;
    ensure!(ended.console().iter().any(|line| line.contains("IS NOT MEASURED")), "nobody was told");
    ended.holds(13, None, "measureroot: unmeasured")
}

#[test]
fn a_boot_that_is_not_measured_needs_no_tpm() -> Result<()> {
    let vm = Vm::new("root=/dev/vda measureroot=off").banks(&[]).disk(&Image::small("squashfs")?);
    vm.boots()?.power_off().map(drop)
}

#[test]
fn a_prediction_can_start_from_what_the_pcr_held_before() -> Result<()> {
    let before = Bank::Sha256.of(b"measured earlier")?;
    let predicted = Prediction::with(Image::small("squashfs")?.path(), &["--bank", "sha256", "--before", &before])?;
    let measured = &predicted.banks[&Bank::Sha256];
    assert_eq!(measured.after, Bank::Sha256.extend(&before, &measured.digest)?);
    Ok(())
}

#[test]
fn a_prediction_without_an_image_is_an_error_that_names_it() -> Result<()> {
    let said = Command::new(assets::product("release/measureroot")?).args(["predict", "no/such/image"]).output()?;
    ensure!(!said.status.success(), "it succeeded");
    ensure!(String::from_utf8_lossy(&said.stderr).contains("no/such/image"), "{said:?}");
    Ok(())
}
