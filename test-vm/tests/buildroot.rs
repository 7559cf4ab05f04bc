//! The external tree for Buildroot, without a Buildroot. kconfiglib reads the options, GNU make evaluates the packages, and
//! test-vm/buildroot/ stands in for Buildroot's infrastructure. A machine boots what the packages' commands make.

use std::fs;
use std::process::Output;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Image, Kernel, Prediction, Result, RootFs, Vm, assets, ensure, predict, tool, uki};

const DEFCONFIG: &str = "initramfs/installed/buildroot/configs/measureroot_qemu_x86_64_defconfig";
const MODULES: &str = "BR2_PACKAGE_MEASUREROOT_MODULES=\"loop overlay squashfs dm-verity\"";

/// A build folder, with the agent that the package's own commands built, and Debian's kernel.
struct Build(Scratch);

impl Build {
    /// A new one with the defconfig and these changes.
    fn new(settings: &[&str]) -> Result<Self> {
        let build = Self(Scratch::new()?);
        tool::printed(&build.configure(settings)?)?;
        let made = assets::product("test-vm/buildroot")?;
        for folder in ["build/linux-6.1", "images", "target/lib"] {
            fs::create_dir_all(build.0.path(folder))?;
        }
        fs::copy(made.join("build/linux-6.1/.config"), build.0.path("build/linux-6.1/.config"))?;
        std::os::unix::fs::symlink(made.join("target/lib/modules"), build.0.path("target/lib/modules"))?;
        Ok(build)
    }

    fn configure(&self, settings: &[&str]) -> Result<Output> {
        // The link is not resolved: the program that it leads to has no kconfiglib.
        let python = assets::product("test-vm/kconfiglib/venv")?.join("bin/python");
        let mut configure = tool::limited(Duration::from_secs(60), python);
        configure.arg(assets::checkout().join("test-vm/buildroot/configure")).arg(assets::checkout().join(DEFCONFIG));
        Ok(configure.arg(self.0.path(".config")).args(settings).output()?)
    }

    /// Makes targets, with these variables.
    fn make(&self, words: &[&str]) -> Result<Output> {
        let mut make = tool::limited(Duration::from_secs(120), "make");
        make.arg("-f").arg(assets::checkout().join("test-vm/buildroot/Makefile"));
        let agent = assets::product(
            "test-vm/buildroot/build/measureroot-checkout/target/x86_64-unknown-linux-gnu/release/measureroot",
        )?;
        make.arg(format!("O={}", self.0.folder().display())).arg(format!("STAND_IN_AGENT={}", agent.display()));
        make.arg(format!("STAND_IN_HOST_PROGRAM={}", assets::product("release/measureroot")?.display()));
        let external = assets::checkout().join("initramfs/installed/buildroot").canonicalize()?;
        make.arg(format!("BR2_EXTERNAL_MEASUREROOT_PATH={}", external.display()));
        Ok(make.args(words).output()?)
    }

    /// Makes targets, which must fail with this message.
    fn refuses(&self, words: &[&str], message: &str) -> Result<()> {
        let output = self.make(words)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && said.contains(message), "{words:?}: not {message:?} but\n{said}");
        Ok(())
    }

    /// Takes this image as its root image, and makes the predictions. `format` is Buildroot's name of the file system.
    fn predicts(&self, format: &str, image: &Image) -> Result<()> {
        fs::copy(image.path(), self.0.path(&format!("images/rootfs.{format}")))?;
        // What the linux package and this one have installed before.
        fs::copy(Kernel::V6_1.image()?, self.0.path("images/bzImage"))?;
        let initramfs = assets::product("test-vm/buildroot/images/measureroot.cpio.zst")?;
        fs::copy(initramfs, self.0.path("images/measureroot.cpio.zst"))?;
        tool::printed(&self.make(&["host-measureroot", &format!("rootfs-{format}")])?).map(drop)
    }

    /// Runs the post-image script as Buildroot does.
    fn post_image(&self) -> Result<Output> {
        let script = assets::checkout().join("initramfs/installed/buildroot/board/measureroot/post-image.sh");
        let mut script = tool::limited(Duration::from_secs(60), script);
        script
            .arg(self.0.path("images"))
            .env("HOST_DIR", self.0.path("host"))
            .env("BR2_CONFIG", self.0.path(".config"));
        Ok(script.output()?)
    }

    /// The text of a file in the folder `images`.
    fn image(&self, name: &str) -> Result<String> {
        let path = self.0.path("images").join(name);
        Ok(fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", path.display()))?)
    }
}

#[test]
fn the_package_s_initramfs_boots_with_the_predicted_pcr() -> Result<()> {
    let (build, image) = (Build::new(&[MODULES])?, Image::small(RootFs::Squashfs)?);
    build.predicts("squashfs", &image)?;
    let predicted: Prediction = serde_json::from_str(&build.image("rootfs.squashfs.pcr13.json")?)?;
    let vm = Vm::new("root=/dev/vda").initramfs(assets::product("test-vm/buildroot/images/measureroot.cpio.zst")?);
    vm.disk(&image).boots()?.ends_as(&predicted)?;
    // People compare this file with the output of tpm2_pcrread.
    predicted.is_printed_as(&build.image("rootfs.squashfs.pcr13")?)
}

#[test]
fn every_root_image_gets_its_predictions() -> Result<()> {
    let settings = [MODULES, "BR2_TARGET_ROOTFS_EROFS=y", "BR2_TARGET_ROOTFS_EXT2=y", "BR2_TARGET_ROOTFS_EXT2_4=y"];
    let forms = "BR2_PACKAGE_MEASUREROOT_PREDICTIONS=\"tpm2-yaml hex json pcrlock keylime policy\"";
    let build = Build::new(&[&settings[..], &["BR2_PACKAGE_MEASUREROOT_PCR=15", forms]].concat())?;
    for (format, image) in [("squashfs", RootFs::Squashfs), ("erofs", RootFs::Erofs), ("ext2", RootFs::Ext4)] {
        let image = Image::small(image)?;
        build.predicts(format, &image)?;
        let predicted: Prediction = serde_json::from_str(&build.image(&format!("rootfs.{format}.pcr15.json"))?)?;
        assert_eq!(predicted, Prediction::with(image.path(), &["--pcr", "15", "--device"])?);
        for form in ["", ".hex", ".pcrlock", ".keylime", ".policy"] {
            ensure!(!build.image(&format!("rootfs.{format}.pcr15{form}"))?.is_empty(), "{format}{form}");
        }
    }
    Ok(())
}

#[test]
fn all_pcrs_of_the_kernel_and_the_initramfs_are_written_beside_the_root_image() -> Result<()> {
    let (build, image) = (Build::new(&[MODULES])?, Image::small(RootFs::Squashfs)?);
    build.predicts("squashfs", &image)?;
    let json = build.image("rootfs.squashfs.chain.json")?;
    predict::has_the_image(&predict::boot(&json)?, &image)?;
    for part in ["\"kernel\": \"bzImage\"", "\"measureroot.cpio.zst\"", "\"append\": \"root=/dev/vda console=ttyS0\""] {
        ensure!(json.contains(part), "no {part}: {json}");
    }
    // A file that firmware does not start, and a command line that stops the boot.
    let make = |words: &[&str]| build.refuses(&[&["rootfs-squashfs"][..], words].concat(), "measureroot: ");
    make(&["BR2_PACKAGE_MEASUREROOT_CMDLINE=\"root=/dev/vda measureroot.x=1\""])?;
    fs::write(build.0.path("images/bzImage"), "no kernel")?;
    make(&[])?;
    ensure!(build.image("rootfs.squashfs.chain.json").is_err(), "the prediction of another kernel is left");
    tool::printed(&build.make(&["rootfs-squashfs", "BR2_PACKAGE_MEASUREROOT_CMDLINE="])?).map(drop)
}

#[test]
fn all_pcrs_of_a_disk_are_written_beside_it() -> Result<()> {
    let (build, image) =
        (Build::new(&[MODULES, "BR2_PACKAGE_MEASUREROOT_DISKS=\"sdcard.img\""])?, Image::small(RootFs::Squashfs)?);
    build.predicts("squashfs", &image)?;
    let refuses = |message: &str| -> Result<()> {
        let output = build.post_image()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && said.contains(message), "not {message:?} but {said}");
        Ok(())
    };
    refuses("sdcard.img is missing: name this script behind the one that makes it")?;
    let scratch = Scratch::new()?;
    let program = scratch.path("esp/EFI/BOOT/BOOTX64.EFI");
    fs::create_dir_all(program.parent().ok_or("no folder")?)?;
    fs::copy(uki::made(&scratch, "measured", "root=/dev/vdb")?, program)?;
    fs::copy(uki::disk(&scratch.path("esp"), &[], &scratch)?, build.0.path("images/sdcard.img"))?;
    let said = tool::printed(&build.post_image()?)?;
    ensure!(said.contains("a BIOS measures neither the kernel nor the initramfs"), "{said}");
    let [chain] = &predict::boots(&build.image("sdcard.img.chain.json")?)?[..] else {
        return Err("not one boot".into());
    };
    predict::has_the_image(chain, &image)?;
    fs::write(build.0.path("images/sdcard.img"), [0; 4096])?;
    refuses("cannot be predicted of sdcard.img")?;
    ensure!(build.image("sdcard.img.chain.json").is_err(), "the prediction of another disk is left");
    fs::remove_file(build.0.path(".config"))?;
    fs::write(build.0.path(".config"), "")?;
    refuses("BR2_PACKAGE_MEASUREROOT_DISKS is empty")
}

#[test]
fn an_image_that_cannot_boot_stops_the_build() -> Result<()> {
    let build = Build::new(&[MODULES])?;
    fs::write(build.0.path("images/rootfs.squashfs"), "no image")?;
    build.refuses(&["host-measureroot", "rootfs-squashfs"], "rootfs.squashfs")
}

/// A build that must fail.
struct Refusal<'a> {
    /// The changes to the defconfig.
    settings: &'a [&'a str],
    /// The targets, with variables of make.
    targets: &'a [&'a str],
    /// A part of the message.
    message: &'a str,
}

#[test]
fn a_wrong_configuration_is_refused_with_a_hint() -> Result<()> {
    let refused = [
        Refusal {
            settings: &["BR2_TARGET_ROOTFS_SQUASHFS4_ZSTD=n", "BR2_TARGET_ROOTFS_SQUASHFS=n"],
            targets: &["measureroot"],
            message: "add BR2_TARGET_ROOTFS_SQUASHFS=y",
        },
        Refusal {
            settings: &[MODULES],
            targets: &["measureroot", "RUST_BIN_VERSION=1.87.0"],
            message: "this Buildroot has 1.87.0: take a newer Buildroot",
        },
        Refusal {
            settings: &[MODULES],
            targets: &["measureroot", "BR2_LINUX_KERNEL="],
            message: "none is built: add BR2_LINUX_KERNEL=y",
        },
        Refusal {
            settings: &[],
            targets: &["measureroot"],
            message: "name them in BR2_PACKAGE_MEASUREROOT_MODULES, or build them in",
        },
        Refusal {
            settings: &[MODULES, "BR2_PACKAGE_MEASUREROOT_KERNEL_FRAGMENTS=\"usb-storage.cfg\""],
            targets: &["measureroot"],
            message: "missing: CONFIG_USB_STORAGE=y",
        },
        Refusal {
            settings: &[MODULES, "BR2_PACKAGE_MEASUREROOT_KERNEL_FRAGMENTS=\"usb-storage.cfg\""],
            targets: &["measureroot"],
            message: "add the fragments with these options to BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES",
        },
        Refusal {
            settings: &["BR2_PACKAGE_MEASUREROOT_MODULES=\"loop overlay dm-verity floppy_of_old\""],
            targets: &["measureroot"],
            message: "module floppy_of_old: neither",
        },
        Refusal {
            settings: &["BR2_PACKAGE_MEASUREROOT_MODULES=\"overlay dm-verity\""],
            targets: &["measureroot"],
            message: "the kernel has loop as a module: add it to BR2_PACKAGE_MEASUREROOT_MODULES",
        },
        Refusal {
            settings: &[MODULES],
            targets: &["measureroot", "MEASUREROOT_VERSION="],
            message: "is none (see above): clone it with git",
        },
        // A program of this machine in the agent's place. It needs a dynamic linker.
        Refusal {
            settings: &[MODULES],
            targets: &["measureroot", "STAND_IN_AGENT=/bin/true"],
            message: "the agent is not static, and an initramfs has no libraries",
        },
    ];
    for Refusal { settings, targets, message } in refused {
        Build::new(settings)?.refuses(targets, message)?;
    }
    tool::printed(&Build::new(&[MODULES])?.make(&["measureroot"])?).map(drop)
}

/// Buildroot silently drops the lines of a defconfig that have no effect. The reader here refuses them.
#[test]
fn each_line_of_the_defconfig_has_an_effect() -> Result<()> {
    let build = Build::new(&[])?;
    let said = |settings: &[&str]| {
        Ok::<_, test_vm::Error>(String::from_utf8_lossy(&build.configure(settings)?.stderr).into_owned())
    };
    ensure!(said(&["BR2_PACKAGE_MEASUREROOT_PCR=24"])?.contains("has no effect"), "PCR 24");
    ensure!(said(&["BR2_PACKAGE_MEASUREROOTS=y"])?.contains("has no effect"), "an unknown option");
    let uclibc = said(&["BR2_TOOLCHAIN_BUILDROOT_MUSL=n", "BR2_TOOLCHAIN_BUILDROOT_UCLIBC=y"])?;
    ensure!(uclibc.contains("BR2_PACKAGE_MEASUREROOT=y has no effect"), "uClibc: {uclibc}");
    Ok(())
}

#[test]
fn the_defconfig_has_every_fragment_that_the_package_checks() -> Result<()> {
    let (build, folder) = (Build::new(&[])?, assets::checkout().join("kernel-fragments"));
    let config = fs::read_to_string(build.0.path(".config"))?;
    let value = |name: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(&format!("{name}=\"")));
        line.map(|value| value.trim_end_matches('"').to_owned()).ok_or_else(|| format!("no {name}"))
    };
    let given = value("BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES")?;
    let given: Vec<_> = given.split(' ').map(|path| path.rsplit('/').next().unwrap_or(path)).collect();
    for file in &given {
        ensure!(folder.join(file).is_file(), "no kernel-fragments/{file}");
    }
    let features = value("BR2_PACKAGE_MEASUREROOT_KERNEL_FRAGMENTS")?;
    let mut list = tool::limited(Duration::from_secs(30), folder.join("check"));
    list.arg("--list").args(features.split(' ').map(|feature| folder.join(feature)));
    for path in tool::finish(&mut list)?.lines() {
        let file = path.rsplit('/').next().unwrap_or(path);
        ensure!(given.contains(&file), "the defconfig is without kernel-fragments/{file}");
    }
    Ok(())
}

#[test]
fn the_agent_is_static_and_the_host_program_is_not() -> Result<()> {
    let build = Build::new(&[MODULES])?;
    // Buildroot's own settings come first. The last one has effect.
    let agent = tool::printed(&build.make(&[
        "show-measureroot",
        "STAND_IN_AGENT=",
        "RUSTC_TARGET_NAME=aarch64-unknown-linux-musl",
    ])?)?;
    for word in [
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS=\"-C target-feature=+crt-static\"",
        "--bin measureroot",
        "--no-default-features",
        "--config target.aarch64-unknown-linux-musl.tss2-esys.version=\\\"4.1.3\\\"",
    ] {
        ensure!(agent.contains(word), "no {word}: {agent}");
    }
    let last = |name: &str| {
        agent.rsplit(&format!("{name}=\"")).next().and_then(|rest| rest.split('"').next()).map(str::to_owned)
    };
    let profile = assets::text("Cargo.toml")?.split("[profile.release]").nth(1).ok_or("no profile")?.to_owned();
    for (name, field) in
        [("OPT_LEVEL", "opt-level = \"z\""), ("LTO", "lto = \"fat\""), ("CODEGEN_UNITS", "codegen-units = 1")]
    {
        let value = last(&format!("CARGO_PROFILE_RELEASE_{name}")).ok_or("no value")?;
        ensure!(
            profile.contains(field) && field.replace('"', "").ends_with(&format!("= {value}")),
            "{name} is {value}"
        );
    }
    let host = tool::printed(&build.make(&["show-host-measureroot", "STAND_IN_HOST_PROGRAM="])?)?;
    ensure!(host.contains("--bin measureroot") && !host.contains("--no-default-features"), "{host}");
    ensure!(!host.contains("crt-static") && host.contains("TPM2_TSS_SOURCE_PATH="), "{host}");
    Ok(())
}

#[test]
fn the_packages_agree_with_the_project() -> Result<()> {
    let build = Build::new(&[MODULES])?;
    let shown = tool::printed(&build.make(&["show-measureroot", "show-host-measureroot-tss2"])?)?;
    let head = tool::output(Duration::from_secs(10), "git", ["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "HEAD"])?;
    ensure!(shown.contains(&format!("measureroot-{}-", head.trim())), "not this checkout's commit: {shown}");
    let source = assets::text("initramfs/tss2/static/source.sha256")?;
    let tarball = source.trim().split_once("  ").ok_or("source.sha256")?.1;
    ensure!(shown.contains(tarball), "not {tarball}: {shown}");
    let hashes = assets::text("initramfs/installed/buildroot/package/measureroot-tss2/measureroot-tss2.hash")?;
    ensure!(hashes.contains(&format!("sha256  {}\n", source.trim())), "not {source}");
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let sum = tool::output(Duration::from_secs(10), "sha256sum", [assets::checkout().join(file)])?;
        let sum = sum.split(' ').next().ok_or("sha256sum")?.to_owned();
        let kept = assets::text("initramfs/installed/buildroot/package/measureroot/measureroot.hash")?;
        ensure!(kept.contains(&format!("sha256  {sum}  {file}\n")), "another {file}");
    }
    let recipe = assets::text("initramfs/installed/buildroot/package/measureroot/measureroot.mk")?;
    let needed = assets::text("Cargo.toml")?
        .split("\nrust-version = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .map(str::to_owned);
    ensure!(needed.is_some_and(|needed| recipe.contains(&format!("MEASUREROOT_RUST = {needed}\n"))), "another Rust");
    Ok(())
}
