//! The OpenEmbedded layer: a machine boots what its tasks make, with the PCR that its image class predicts.

mod openembedded_build;

use openembedded_build::{Build, EXAMPLE, INITRAMFS, KERNEL, MODULES, PACK, RECIPE, Refusal, beside, with_suffix};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{
    Bank, Bus, DocPage, Firmware, Image, Kernel, Prediction, Result, RootFs, Vm, assets, ensure, predict, tool, uki,
};

#[test]
fn the_tasks_initramfs_boots_with_the_predicted_pcr() -> Result<()> {
    let (build, image) = (Build::new()?, Image::small(RootFs::Squashfs)?);
    let made = build.example(&[], &image)?;
    let predicted: Prediction = serde_json::from_str(&beside(&made, "pcr13.json")?)?;
    let vm = Vm::new("root=/dev/vda").initramfs(build.initramfs()?).disk(&image);
    vm.boots()?.ends_as(&predicted)?;
    // People compare this file with the output of tpm2_pcrread.
    predicted.is_printed_as(&beside(&made, "pcr13")?)
}

#[test]
fn the_initramfs_has_only_the_agent_and_its_modules() -> Result<()> {
    let build = Build::new()?;
    build.bakes(INITRAMFS, &[MODULES], &PACK)?;
    let mut list = Command::new("cpio");
    list.args(["--list", "--quiet", "--file"]).arg(build.deployed(INITRAMFS, &[], "cpio")?);
    let listed = tool::finish(&mut list)?;
    let other = |name: &&str| {
        !name.starts_with("lib") && !["init", "dev", "dev/console", "dev/kmsg", "dev/null"].contains(name)
    };
    assert_eq!(listed.lines().find(other), None);
    ensure!(listed.lines().any(|name| name.ends_with("/dm-verity.ko")), "{listed}");
    Ok(())
}

#[test]
fn the_same_input_gives_the_same_initramfs() -> Result<()> {
    let build = Build::new()?;
    let first = fs::read(build.initramfs()?)?;
    fs::remove_file(build.deployed(INITRAMFS, &[], "cpio.zst")?)?;
    ensure!(fs::read(build.initramfs()?)? == first, "the bytes differ");
    Ok(())
}

#[test]
fn every_form_of_prediction_is_written_and_linked() -> Result<()> {
    let settings = ["MEASUREROOT_PCR=15", "MEASUREROOT_PREDICTIONS=tpm2-yaml hex json pcrlock keylime policy"];
    let build = Build::new()?;
    let made = build.example(&settings, &Image::small(RootFs::Squashfs)?)?;
    let link = PathBuf::from(build.bakes(EXAMPLE, &[], &["IMGDEPLOYDIR="])?).join(build.bakes(
        EXAMPLE,
        &[],
        &["IMAGE_LINK_NAME="],
    )?);
    for suffix in ["pcr15", "pcr15.hex", "pcr15.json", "pcr15.pcrlock", "pcr15.keylime", "pcr15.policy"] {
        assert_eq!(beside(&with_suffix(&link, "squashfs-zst"), suffix)?, beside(&made, suffix)?, "{suffix}");
    }
    let predicted: Prediction = serde_json::from_str(&beside(&made, "pcr15.json")?)?;
    assert_eq!(predicted, Prediction::with(Image::small(RootFs::Squashfs)?.path(), &["--pcr", "15"])?);
    Ok(())
}

/// wic is not here: the disk is made by hand, and has a unified kernel image.
#[test]
fn all_pcrs_of_the_disk_are_written_beside_it_and_a_machine_has_them() -> Result<()> {
    let (build, image, scratch) = (Build::new()?, Image::small(RootFs::Squashfs)?, Scratch::new()?);
    build.example(&[], &image)?;
    let program = scratch.path("esp/EFI/BOOT/BOOTX64.EFI");
    fs::create_dir_all(program.parent().ok_or("no folder")?)?;
    let cmdline = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
    fs::copy(uki::made(&scratch, "measured", cmdline)?, program)?;
    let (wic, chain) = (build.deployed(EXAMPLE, &[], "wic")?, ["measureroot_chain"]);
    fs::copy(uki::disk(&scratch.path("esp"), &[], &scratch)?, &wic)?;
    let said = build.bakes(EXAMPLE, &[], &chain)?;
    ensure!(said.contains("a BIOS measures neither the kernel nor the initramfs"), "{said}");
    let json = beside(&wic, "chain.json")?;
    let [boot] = &predict::boots(&json)?[..] else { return Err("not one boot".into()) };
    predict::has_the_image(boot, &image)?;
    let name = wic.file_name().and_then(|name| name.to_str()).ok_or("no name")?;
    ensure!(json.contains(&format!("\"disk\": \"{name}\"")), "the disk has another name: {json}");
    let vm = Vm::started_by(Firmware::Uefi).large().disk_file(Bus::Virtio, wic.clone()).disk(&image);
    predict::holds(&vm.boots()?.power_off()?, boot)?;
    // A disk that no UEFI starts is no error.
    fs::write(&wic, [0; 4096])?;
    let said = build.bakes(EXAMPLE, &[], &chain)?;
    ensure!(said.contains("WARNING: ") && beside(&wic, "chain.json").is_err(), "{said}");
    Ok(())
}

#[test]
fn all_pcrs_of_the_kernel_and_the_initramfs_are_written_beside_the_image() -> Result<()> {
    let (build, image) = (Build::new()?, Image::small(RootFs::Squashfs)?);
    let settings = ["MEASUREROOT_CMDLINE=root=/dev/vda console=ttyS0"];
    let made = build.example(&settings, &image)?;
    let chain = ["measureroot_chain"];
    let refuses =
        |settings: &[&str], message| build.refuses(&Refusal { recipe: EXAMPLE, settings, words: &chain, message });
    refuses(&settings, "no bzImage in ")?;
    let deployed = PathBuf::from(build.bakes(EXAMPLE, &[], &["DEPLOY_DIR_IMAGE="])?);
    fs::create_dir_all(&deployed)?;
    fs::copy(Kernel::V6_1.image()?, deployed.join("bzImage"))?;
    fs::copy(build.initramfs()?, deployed.join("measureroot-initramfs-qemux86-64.cpio.zst"))?;
    build.bakes(EXAMPLE, &settings, &chain)?;
    let json = beside(&made, "chain.json")?;
    predict::has_the_image(&predict::boot(&json)?, &image)?;
    let link = PathBuf::from(build.bakes(EXAMPLE, &[], &["IMGDEPLOYDIR="])?)
        .join("measureroot-example-image-qemux86-64.rootfs");
    assert_eq!(beside(&with_suffix(&link, "squashfs-zst"), "chain.json")?, json);
    refuses(&["MEASUREROOT_CMDLINE=root=/dev/vda measureroot.x=1"], "the boot would stop at this command line")?;
    fs::write(deployed.join("bzImage"), "no kernel")?;
    refuses(&settings, "the kernel needs CONFIG_EFI_STUB")?;
    ensure!(beside(&made, "chain.json").is_err(), "the prediction of another kernel is left");
    // Without a command line and a disk, nothing of it is asked for.
    build.bakes(EXAMPLE, &[], &chain).map(drop)
}

/// The commands of docs/meta-measured.md: coreutils and `measureroot predict` agree.
#[test]
fn the_value_of_meta_measured_by_hand_is_the_predicted_one() -> Result<()> {
    let (page, here) = (DocPage::open("docs/meta-measured.md")?, Scratch::new()?);
    page.has_only(&["--image-format meta-measured"])?;
    fs::copy(Image::small(RootFs::Squashfs)?.path(), here.path("rootfs.squashfs"))?;
    std::os::unix::fs::symlink(assets::product("release/measureroot")?, here.path("measureroot"))?;
    let mut bash = tool::limited(Duration::from_secs(60), "bash");
    bash.args(["-euo", "pipefail", "-c", &format!("PATH=.:$PATH; {}", page.block("sha1sum")?)]);
    tool::finish(bash.current_dir(here.folder()))?;
    assert_eq!(fs::read_to_string(here.path("by-hand"))?.trim().len(), 40);
    Ok(())
}

#[test]
fn a_prediction_can_have_the_format_of_meta_measured() -> Result<()> {
    let (build, image) = (Build::new()?, Image::small(RootFs::Squashfs)?);
    let made = build.example(&["MEASUREROOT_PREDICT_ARGS=--image-format meta-measured --bank sha1"], &image)?;
    let predicted: Prediction = serde_json::from_str(&beside(&made, "pcr13.json")?)?;
    let twice = Bank::Sha1.of(Bank::Sha1.of_file(image.path())?.as_bytes())?;
    assert_eq!(predicted.after()[&Bank::Sha1], Bank::Sha1.extend(&Bank::Sha1.zeros(), &twice)?);
    Ok(())
}

/// The configuration in docs/openembedded.md.
#[test]
fn the_page_s_configuration_sets_up_the_kernel_and_the_image() -> Result<()> {
    let build = Build::new()?;
    let page = assets::text("docs/openembedded.md")?;
    let mut blocks = page.split("```bitbake\n").skip(1).filter_map(|rest| rest.split("```").next());
    let (local, recipe) = (build.0.path("local.conf"), build.0.path("of-the-page.bb"));
    fs::write(&local, blocks.next().ok_or("no configuration")?)?;
    fs::write(&recipe, blocks.next().ok_or("no image")?)?;
    let local = format!("--conf={}", local.display());
    let kernel = tool::printed(&build.bake_with(&[&local], KERNEL, &["KERNEL_FEATURES=", "INITRAMFS_IMAGE="])?)?;
    ensure!(kernel.contains("overlay.scc") && kernel.ends_with("\nmeasureroot-initramfs"), "{kernel}");
    let recipe = recipe.to_str().ok_or("no name")?;
    assert_eq!(build.bakes(recipe, &[], &["measureroot_check", "IMAGE_FSTYPES="])?, "squashfs-zst");
    Ok(())
}

/// A later run of bitbake has another IMAGE_NAME than the run that made the image. The link leads to the image.
#[test]
fn an_image_of_an_earlier_run_is_found_through_its_link() -> Result<()> {
    let (build, earlier, later) = (Build::new()?, ["IMAGE_NAME=example-1"], ["IMAGE_NAME=example-2"]);
    let made = build.deployed(EXAMPLE, &earlier, "squashfs-zst")?;
    fs::copy(Image::small(RootFs::Squashfs)?.path(), &made)?;
    let link = made.with_file_name(build.bakes(EXAMPLE, &[], &["IMAGE_LINK_NAME="])? + ".squashfs-zst");
    std::os::unix::fs::symlink("example-1.squashfs-zst", &link)?;
    build.bakes(EXAMPLE, &later, &["measureroot_predict"])?;
    assert_eq!(beside(&link, "pcr13")?, beside(&made, "pcr13")?);
    Ok(())
}

/// Up to nanbield, IMAGE_NAME lacks the suffix of the file.
#[test]
fn the_file_names_of_older_releases_are_found() -> Result<()> {
    let (build, old) = (Build::new()?, ["IMAGE_NAME=example-20250101000000", "IMAGE_LINK_NAME=example"]);
    let made = build.deployed(EXAMPLE, &old, "rootfs.squashfs-zst")?;
    fs::copy(Image::small(RootFs::Squashfs)?.path(), &made)?;
    build.bakes(EXAMPLE, &old, &["measureroot_predict"])?;
    ensure!(beside(&made, "pcr13")?.contains("sha256"), "no sha256");
    Ok(())
}

#[test]
fn a_wrong_configuration_is_refused_with_a_hint() -> Result<()> {
    let build = Build::new()?;
    let refused = [
        Refusal {
            recipe: RECIPE,
            settings: &["RUSTVERSION=1.75%"],
            words: &["PN="],
            message: "RUSTVERSION is \"1.75%\": add a layer with a newer Rust",
        },
        Refusal {
            recipe: EXAMPLE,
            settings: &["MEASUREROOT_FSTYPES=erofs"],
            words: &["measureroot_check"],
            message: "add one, IMAGE_FSTYPES += \"squashfs-zst\"",
        },
        Refusal {
            recipe: EXAMPLE,
            settings: &["PATH=/nowhere"],
            words: &["measureroot_check"],
            message: "measureroot-native is not in this recipe's sysroot",
        },
        Refusal {
            recipe: EXAMPLE,
            settings: &["MEASUREROOT_ROOT=nfs"],
            words: &["measureroot_check"],
            message: "only device (root=) and file (rootimg=) are known",
        },
        Refusal {
            recipe: EXAMPLE,
            settings: &[],
            words: &["measureroot_predict"],
            message: "nothing can be predicted of it",
        },
        Refusal {
            recipe: INITRAMFS,
            settings: &[],
            words: &PACK,
            message: "MEASUREROOT_MODULES is empty: name them there, or build them in",
        },
        Refusal {
            recipe: INITRAMFS,
            settings: &["MEASUREROOT_MODULES=overlay dm-verity"],
            words: &PACK,
            message: "the kernel has loop as a module: add it to MEASUREROOT_MODULES (overlay dm-verity)",
        },
        Refusal {
            recipe: INITRAMFS,
            settings: &["MEASUREROOT_MODULES=overlay loop dm-verity floppy_of_old"],
            words: &PACK,
            message: "module floppy_of_old: neither",
        },
        Refusal {
            recipe: INITRAMFS,
            settings: &[MODULES, "MEASUREROOT_KERNEL_FEATURES=usb-storage.cfg"],
            words: &PACK,
            message: "missing: CONFIG_USB_STORAGE=y",
        },
        Refusal {
            recipe: INITRAMFS,
            settings: &[MODULES, "MEASUREROOT_KERNEL_FEATURES=usb-storage.cfg"],
            words: &PACK,
            message: "DISTRO_FEATURES:append",
        },
        Refusal {
            recipe: INITRAMFS,
            settings: &[MODULES, "STAND_IN_PACKAGES=/usr/share/base-files"],
            words: &PACK,
            message: "measureroot/init",
        },
    ];
    for refusal in refused {
        build.refuses(&refusal)?;
    }
    // This image has no file system that could boot.
    let made = build.deployed(EXAMPLE, &[], "squashfs-zst")?;
    fs::write(&made, "no image")?;
    let words = &["measureroot_predict"];
    build.refuses(&Refusal { recipe: EXAMPLE, settings: &[], words, message: "measureroot predict" })
}
