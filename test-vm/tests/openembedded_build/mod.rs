//! What the tests of the OpenEmbedded layer share: a build folder, and the runs of recipes in it. There is no bitbake:
//! test-vm/openembedded/bake reads the recipes and runs the bodies of their tasks, and test-vm/openembedded/stand-in stands in
//! for OpenEmbedded-Core.
#![allow(dead_code)] // Each test uses a part of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Image, Result, assets, ensure, tool};

pub(crate) const RECIPE: &str = "recipes-core/measureroot/measureroot_git.bb";
pub(crate) const INITRAMFS: &str = "recipes-core/images/measureroot-initramfs.bb";
pub(crate) const EXAMPLE: &str = "recipes-core/images/measureroot-example-image.bb";
pub(crate) const KERNEL: &str = "recipes-kernel/linux/measureroot-kernel.inc";
/// The tasks that pack the initramfs.
pub(crate) const PACK: [&str; 2] = ["do_rootfs", "IMAGE_CMD:cpio"];
/// The modules of Debian's kernel that the boot of a disk needs.
pub(crate) const MODULES: &str =
    "MEASUREROOT_MODULES=virtio_pci virtio_blk virtio_console loop overlay squashfs dm-verity";

pub(crate) fn layer() -> PathBuf {
    assets::checkout().join("initramfs/installed/openembedded")
}

/// A Python that has oelint-adv. The link is not resolved: the program that it leads to does not have it.
pub(crate) fn python(limit: Duration) -> Result<Command> {
    Ok(tool::limited(limit, assets::product("test-vm/oelint/venv")?.join("bin/python")))
}

/// A run that must fail.
pub(crate) struct Refusal<'a> {
    pub recipe: &'a str,
    /// The settings of local.conf.
    pub settings: &'a [&'a str],
    /// The tasks and variables.
    pub words: &'a [&'a str],
    /// A part of the message.
    pub message: &'a str,
}

/// A build folder with the packages that a package manager would install: the agent that its recipe built, and Debian's modules.
pub(crate) struct Build(pub Scratch);

impl Build {
    /// A new one.
    pub(crate) fn new() -> Result<Self> {
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
    pub(crate) fn bake(&self, recipe: &str, settings: &[&str], words: &[&str]) -> Result<Output> {
        let settings: Vec<_> = settings.iter().map(|setting| format!("--set={setting}")).collect();
        self.bake_with(&settings.iter().map(String::as_str).collect::<Vec<_>>(), recipe, words)
    }

    /// Runs tasks of a recipe, and prints variables, with these options.
    pub(crate) fn bake_with(&self, options: &[&str], recipe: &str, words: &[&str]) -> Result<Output> {
        let mut bake = python(Duration::from_secs(120))?;
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
    pub(crate) fn bakes(&self, recipe: &str, settings: &[&str], words: &[&str]) -> Result<String> {
        tool::printed(&self.bake(recipe, settings, words)?)
    }

    /// Runs tasks, which must fail with this message.
    pub(crate) fn refuses(&self, refusal: &Refusal) -> Result<()> {
        let Refusal { recipe, settings, words, message } = refusal;
        let output = self.bake(recipe, settings, words)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        ensure!(!output.status.success() && said.contains(message), "{settings:?}: not {message:?} but\n{said}");
        Ok(())
    }

    /// The initramfs of its recipe, compressed like OpenEmbedded's type cpio.zst.
    pub(crate) fn initramfs(&self) -> Result<PathBuf> {
        self.bakes(INITRAMFS, &[MODULES], &PACK)?;
        let cpio = self.deployed(INITRAMFS, &[], "cpio")?;
        tool::output(Duration::from_secs(60), "zstd", [cpio.as_os_str()])?;
        Ok(with_suffix(&cpio, "zst"))
    }

    /// The path of the file of this type that an image recipe deploys.
    pub(crate) fn deployed(&self, recipe: &str, settings: &[&str], format: &str) -> Result<PathBuf> {
        let names = self.bakes(recipe, settings, &["IMGDEPLOYDIR=", "IMAGE_NAME="])?;
        let (folder, name) = names.split_once('\n').ok_or("no names")?;
        Ok(Path::new(folder).join(format!("{name}.{format}")))
    }

    /// Takes this image as the example image, and makes its predictions. Returns its path.
    pub(crate) fn example(&self, settings: &[&str], image: &Image) -> Result<PathBuf> {
        let made = self.deployed(EXAMPLE, settings, "squashfs-zst")?;
        fs::copy(image.path(), &made)?;
        self.bakes(EXAMPLE, settings, &["measureroot_check", "measureroot_predict"])?;
        Ok(made)
    }
}

/// The path with a dot and a suffix after its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// The text of the file whose name is that of `image` with a suffix.
pub(crate) fn beside(image: &Path, suffix: &str) -> Result<String> {
    let path = with_suffix(image, suffix);
    Ok(fs::read_to_string(&path).map_err(|cause| format!("{}: {cause}", path.display()))?)
}
