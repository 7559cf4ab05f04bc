//! The OpenEmbedded layer, without bitbake. test-vm/openembedded/bake reads the recipes and runs the bodies of their tasks, and
//! test-vm/openembedded/stand-in stands in for OpenEmbedded-Core. A machine boots what the tasks make.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Bank, DocPage, Image, Prediction, Result, RootFs, Vm, assets, ensure, tool};

const RECIPE: &str = "recipes-core/measureroot/measureroot_git.bb";
const INITRAMFS: &str = "recipes-core/images/measureroot-initramfs.bb";
const EXAMPLE: &str = "recipes-core/images/measureroot-example-image.bb";
const KERNEL: &str = "recipes-kernel/linux/measureroot-kernel.inc";
/// The tasks that pack the initramfs.
const PACK: [&str; 2] = ["do_rootfs", "IMAGE_CMD:cpio"];
/// The modules of Debian's kernel that the boot of a disk needs.
const MODULES: &str = "MEASUREROOT_MODULES=virtio_pci virtio_blk virtio_console loop overlay squashfs dm-verity";

fn layer() -> PathBuf {
    assets::checkout().join("initramfs/openembedded")
}

/// A Python that has oelint-adv. The link is not resolved: the program that it leads to does not have it.
fn python(limit: Duration) -> Result<Command> {
    Ok(tool::limited(limit, assets::product("test-vm/oelint/venv")?.join("bin/python")))
}

/// A run that must fail.
struct Refusal<'a> {
    recipe: &'a str,
    /// The settings of local.conf.
    settings: &'a [&'a str],
    /// The tasks and variables.
    words: &'a [&'a str],
    /// A part of the message.
    message: &'a str,
}

/// A build folder with the packages that a package manager would install: the agent that its recipe built, and Debian's modules.
struct Build(Scratch);

impl Build {
    fn new() -> Result<Self> {
        let build = Self(Scratch::new()?);
        let kernel = build.0.path("kernel-build-artifacts");
        fs::create_dir(&kernel)?;
        let boot = assets::product("test-vm/kernel-6.1/boot")?;
        let config =
            fs::read_dir(boot)?.flatten().find(|file| file.file_name().to_string_lossy().starts_with("config-"));
        fs::copy(config.ok_or("the kernel has no configuration")?.path(), kernel.join(".config"))?;
        Ok(build)
    }

    /// Runs tasks of a recipe, and prints variables, with these settings of local.conf.
    fn bake(&self, recipe: &str, settings: &[&str], words: &[&str]) -> Result<Output> {
        let settings: Vec<_> = settings.iter().map(|setting| format!("--set={setting}")).collect();
        self.bake_with(&settings.iter().map(String::as_str).collect::<Vec<_>>(), recipe, words)
    }

    /// Runs tasks of a recipe, and prints variables, with these options.
    fn bake_with(&self, options: &[&str], recipe: &str, words: &[&str]) -> Result<Output> {
        let mut bake = python(Duration::from_mins(2))?;
        bake.arg(assets::checkout().join("test-vm/openembedded/bake"));
        let packages = assets::product("test-vm/openembedded/packages")?;
        bake.arg(format!("--set=TMPDIR={}", self.0.folder().display()));
        bake.arg(format!("--set=STAND_IN_PACKAGES={}", packages.display())).args(options);
        // The program of measureroot-native: this checkout's.
        let native = assets::product("release/measureroot")?;
        let folder = native.parent().ok_or("no folder")?.display();
        bake.env("PATH", format!("{folder}:{}", std::env::var("PATH")?));
        Ok(bake.arg(recipe).args(words).output()?)
    }

    /// Runs tasks, which must succeed, and returns what they print.
    fn bakes(&self, recipe: &str, settings: &[&str], words: &[&str]) -> Result<String> {
        tool::printed(&self.bake(recipe, settings, words)?)
    }

    /// Runs tasks, which must fail with this message.
    fn refuses(&self, refusal: &Refusal) -> Result<()> {
        let Refusal { recipe, settings, words, message } = refusal;
        let output = self.bake(recipe, settings, words)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        ensure!(!output.status.success() && said.contains(message), "{settings:?}: not {message:?} but\n{said}");
        Ok(())
    }

    /// The initramfs of its recipe, compressed like OpenEmbedded's type cpio.zst.
    fn initramfs(&self) -> Result<PathBuf> {
        self.bakes(INITRAMFS, &[MODULES], &PACK)?;
        let cpio = self.deployed(INITRAMFS, &[], "cpio")?;
        tool::output(Duration::from_mins(1), "zstd", [cpio.as_os_str()])?;
        Ok(cpio.with_added_extension("zst"))
    }

    /// The path of the file of this type that an image recipe deploys.
    fn deployed(&self, recipe: &str, settings: &[&str], format: &str) -> Result<PathBuf> {
        let names = self.bakes(recipe, settings, &["IMGDEPLOYDIR=", "IMAGE_NAME="])?;
        let (folder, name) = names.split_once('\n').ok_or("no names")?;
        Ok(Path::new(folder).join(format!("{name}.{format}")))
    }

    /// Takes this image as the example image, and makes its predictions. Returns its path.
    fn example(&self, settings: &[&str], image: &Image) -> Result<PathBuf> {
        let made = self.deployed(EXAMPLE, settings, "squashfs-zst")?;
        fs::copy(image.path(), &made)?;
        self.bakes(EXAMPLE, settings, &["measureroot_check", "measureroot_predict"])?;
        Ok(made)
    }
}

/// The text of the file whose name is that of `image` with a suffix.
fn beside(image: &Path, suffix: &str) -> Result<String> {
    let path = image.with_added_extension(suffix);
    Ok(fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", path.display()))?)
}

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
    let settings = ["MEASUREROOT_PCR=23", "MEASUREROOT_PREDICTIONS=tpm2-yaml hex json pcrlock keylime policy"];
    let build = Build::new()?;
    let made = build.example(&settings, &Image::small(RootFs::Squashfs)?)?;
    let link = PathBuf::from(build.bakes(EXAMPLE, &[], &["IMGDEPLOYDIR="])?).join(build.bakes(
        EXAMPLE,
        &[],
        &["IMAGE_LINK_NAME="],
    )?);
    for suffix in ["pcr23", "pcr23.hex", "pcr23.json", "pcr23.pcrlock", "pcr23.keylime", "pcr23.policy"] {
        assert_eq!(beside(&link.with_added_extension("squashfs-zst"), suffix)?, beside(&made, suffix)?, "{suffix}");
    }
    let predicted: Prediction = serde_json::from_str(&beside(&made, "pcr23.json")?)?;
    assert_eq!(predicted, Prediction::with(Image::small(RootFs::Squashfs)?.path(), &["--pcr", "23"])?);
    Ok(())
}

/// The commands of docs/meta-measured.md: coreutils and `measureroot predict` agree.
#[test]
fn the_value_of_meta_measured_by_hand_is_the_predicted_one() -> Result<()> {
    let (page, here) = (DocPage::open("docs/meta-measured.md")?, Scratch::new()?);
    page.has_only(&["--image-format meta-measured"])?;
    fs::copy(Image::small(RootFs::Squashfs)?.path(), here.path("rootfs.squashfs"))?;
    std::os::unix::fs::symlink(assets::product("release/measureroot")?, here.path("measureroot"))?;
    let mut bash = tool::limited(Duration::from_mins(1), "bash");
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

/// A program of this machine in the agent's place. It needs a dynamic linker.
#[test]
fn an_agent_that_is_not_static_is_refused() -> Result<()> {
    let build = Build::new()?;
    let agent = build.bakes(RECIPE, &[], &["B=", "CARGO_TARGET_SUBDIR="])?.replace('\n', "/target/");
    fs::create_dir_all(&agent)?;
    fs::copy("/bin/true", Path::new(&agent).join("measureroot"))?;
    let (words, message) = (&["do_install"], "is not static, and an initramfs has no libraries");
    build.refuses(&Refusal { recipe: RECIPE, settings: &[], words, message })
}

/// OpenEmbedded describes each target in a file of its own. rustc ignores crt-static unless that file allows it.
#[test]
fn rustc_obeys_crt_static_with_the_recipe_s_description_of_the_target() -> Result<()> {
    let build = Build::new()?;
    let obeys = |words: &[&str]| -> Result<bool> {
        let folder =
            build.bakes(RECIPE, &["RUST_HOST_SYS=x86_64-oe-linux-gnu"], &[words, &["RUST_TARGETS_DIR="]].concat())?;
        let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()));
        rustc.args([
            "-Zunstable-options",
            "--print=cfg",
            "--target=x86_64-oe-linux-gnu",
            "-Ctarget-feature=+crt-static",
        ]);
        rustc.env("RUSTC_BOOTSTRAP", "1").env("RUST_TARGET_PATH", folder);
        Ok(tool::finish(&mut rustc)?.contains("target_feature=\"crt-static\""))
    };
    ensure!(obeys(&["do_rust_gen_targets"])?, "the recipe's description does not allow it");
    // OpenEmbedded's own description does not allow it, and rustc does not warn. That is why the recipe changes it.
    let path = build.bakes(RECIPE, &[], &["RUST_TARGETS_DIR="])? + "x86_64-oe-linux-gnu.json";
    let mut target: BTreeMap<String, serde_json::Value> = serde_json::from_str(&fs::read_to_string(&path)?)?;
    ensure!(target.remove("crt-static-respected").is_some(), "not the recipe's description");
    fs::write(&path, serde_json::to_string(&target)?)?;
    ensure!(!obeys(&[])?, "OpenEmbedded's own description allows it: the recipe need not change it any more");
    Ok(())
}

#[test]
fn the_agent_is_built_like_that_of_initramfs_build_and_the_native_program_is_not() -> Result<()> {
    let build = Build::new()?;
    let agent = build.bakes(RECIPE, &[], &["CARGO_BUILD_FLAGS=", "RUSTFLAGS="])?;
    let own = assets::text("initramfs/build")?;
    for flag in ["--bin measureroot", "--no-default-features"] {
        ensure!(own.contains(flag) && agent.contains(flag), "initramfs/build or the recipe is without {flag}: {agent}");
    }
    ensure!(agent.contains("+crt-static"), "{agent}");
    let native = build.bakes(RECIPE, &["OVERRIDES=class-native"], &["CARGO_BUILD_FLAGS=", "RUSTFLAGS="])?;
    ensure!(!native.contains("--no-default-features") && !native.contains("crt-static"), "{native}");
    Ok(())
}

#[test]
fn the_recipe_agrees_with_the_project() -> Result<()> {
    let build = Build::new()?;
    let recipe = assets::text(&format!("initramfs/openembedded/{RECIPE}"))?;
    let source = assets::text("initramfs/tss2-static/source.sha256")?;
    let (sum, tarball) = source.trim().split_once("  ").ok_or("source.sha256")?;
    ensure!(
        recipe.contains(&format!("\"{sum}\"")) && recipe.contains(&format!("downloadfilename={tarball}")),
        "not {source}"
    );
    let cargo = assets::text("Cargo.toml")?;
    for (variable, field) in [("MEASUREROOT_RUST=", "rust-version"), ("PV=", "version")] {
        let value = build.bakes(RECIPE, &[], &[variable])?.replace("+git", "");
        ensure!(cargo.contains(&format!("\n{field} = \"{value}\"\n")), "{variable}{value} is not Cargo.toml's {field}");
    }
    let licence = tool::output(Duration::from_secs(10), "md5sum", [assets::checkout().join("LICENSE-MIT")])?;
    ensure!(recipe.contains(licence.split(' ').next().ok_or("md5sum")?), "another LICENSE-MIT");
    let rule = assets::text(".cargo/config.toml")?;
    ensure!(
        rule.contains("tss2-esys]\nversion = \"4.1.3\"") && recipe.contains("tss2-esys.version=\\\"4.1.3\\\""),
        "tss2-esys"
    );
    Ok(())
}

#[test]
fn the_list_of_crates_is_that_of_cargo_lock() -> Result<()> {
    let scratch = Scratch::new()?;
    tool::output(Duration::from_secs(30), layer().join("update-crates"), [scratch.path("made")])?;
    let kept = assets::text("initramfs/openembedded/recipes-core/measureroot/measureroot-crates.inc")?;
    ensure!(fs::read_to_string(scratch.path("made"))? == kept, "run initramfs/openembedded/update-crates");
    let sums = assets::text("Cargo.lock")?.matches("\nchecksum = ").count();
    assert_eq!((kept.matches("crate://").count(), kept.matches(".sha256sum]").count()), (sums, sums));
    Ok(())
}

#[test]
fn the_kernel_gets_its_features_if_the_distribution_asks_for_them() -> Result<()> {
    let build = Build::new()?;
    let words = ["SRC_URI=", "KERNEL_FEATURES=", "FILESEXTRAPATHS="];
    let asked = build.bakes(KERNEL, &["DISTRO_FEATURES=systemd measureroot"], &words)?;
    let lines: Vec<_> = asked.lines().collect();
    ensure!(lines[0].contains("file://kernel-fragments;type=kmeta;"), "{asked}");
    let folder = PathBuf::from(lines[2].trim_end_matches(':')).join("kernel-fragments");
    for feature in lines[1].split_whitespace() {
        ensure!(folder.join(feature).is_file(), "no {feature} in {}", folder.display());
    }
    ensure!(lines[1].split_whitespace().count() > 3, "{asked}");
    assert_eq!(build.bakes(KERNEL, &["DISTRO_FEATURES=systemd"], &words)?, "");
    Ok(())
}

/// oelint checks the layer like bitbake, for the first and the last release that the layer names.
#[test]
fn oelint_finds_nothing() -> Result<()> {
    let layers = assets::text("initramfs/openembedded/conf/layer.conf")?;
    let releases = layers
        .lines()
        .find_map(|line| line.strip_prefix("LAYERSERIES_COMPAT_measureroot = \""))
        .ok_or("no releases")?;
    let (first, last) = releases.trim_end_matches('"').split_once(' ').ok_or("one release")?;
    let last = last.rsplit(' ').next().ok_or("one release")?;
    for release in [first, last] {
        let mut oelint = python(Duration::from_mins(2))?;
        oelint.current_dir(layer()).args([
            "-m",
            "oelint_adv",
            "--quiet",
            "--jobs",
            "1",
            "--hide",
            "info",
            "--release",
            release,
        ]);
        let files = "recipes-core/measureroot/measureroot_git.bb recipes-core/images/measureroot-initramfs.bb \
                     recipes-core/images/measureroot-example-image.bb recipes-kernel/linux/linux-yocto_%.bbappend conf/layer.conf";
        let output = oelint.args(files.split_whitespace()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.trim().is_empty(), "{release}: {said}");
    }
    Ok(())
}
