//! What the tests of dracut and of initramfs-tools share: a boot of Debian with the initramfs that was built, and the builds
//! that must fail.

use test_vm::{Builder, DocPage, Image, Kernel, Prediction, Result, RootFs, Vm, ensure, predict};

/// A way to build an initramfs, and the page that describes it.
pub(crate) struct Recipe {
    /// The path of the page in the checkout.
    pub page: &'static str,
    /// The page's commands that build measureroot.img for the kernel in this shell variable.
    pub commands: fn(variable: &str) -> Result<String>,
    /// A line of the list of contents that the page's last command prints.
    pub listed: &'static str,
    /// The files that the builder itself leaves in the initramfs.
    pub notes: &'static [&'static str],
}

impl Recipe {
    /// The page's own QEMU command boots Debian measured, with the initramfs that the page's commands build.
    pub(crate) fn page_boots(&self) -> Result<()> {
        let builder = Builder::initramfs()?;
        builder.run(&(self.commands)(Kernel::V6_12.builder_variable()?)?)?;
        let initramfs = builder.file("measureroot.img")?;
        DocPage::open(self.page)?.boot(&Kernel::V6_12.image()?, &initramfs, &Image::debian(RootFs::Squashfs)?)
    }

    /// The page's command predicts all PCRs of a boot by UEFI with the initramfs that the page's commands build.
    pub(crate) fn page_predicts(&self) -> Result<()> {
        let (builder, image) = (Builder::initramfs()?, Image::small(RootFs::Squashfs)?);
        builder.run(&(self.commands)(Kernel::V6_12.builder_variable()?)?)?;
        let initramfs = builder.file("measureroot.img")?;
        let json = DocPage::open(self.page)?.chain(&Kernel::V6_12.image()?, &initramfs, &image)?;
        let chain = predict::boot(&json)?;
        assert_eq!(chain.keys().copied().collect::<Vec<_>>(), [4, 8, 9, 11, 12, 13, 14]);
        assert_eq!(chain[&13][0].pcr, Prediction::of(image.path())?.after());
        ensure!(json.contains("\"measureroot.img\"") && json.contains("\"unmeasured\": []"), "{json}");
        Ok(())
    }

    /// The page's commands build an initramfs for this kernel, Debian boots measured with it, and the page's check succeeds.
    pub(crate) fn debian_boots(&self, kernel: Kernel, format: RootFs) -> Result<()> {
        let builder = Builder::initramfs()?;
        let said = builder.run(&(self.commands)(kernel.builder_variable()?)?)?;
        ensure!(said.contains(self.listed) && said.contains("/overlay.ko\n"), "{said}");
        builder.is_lean("measureroot.img", self.notes)?;

        let image = Image::debian(format)?;
        let vm = Vm::new("root=/dev/vda rw").kernel(kernel).initramfs(builder.file("measureroot.img")?);
        let mut guest = vm.large().disk(&image).boots()?;
        guest.has_no_initramfs()?;
        DocPage::open(self.page)?.check(&mut guest, &image)?;
        guest.ends_measured(&image).map(drop)
    }
}

/// A build that must fail.
pub(crate) struct Refusal<'a> {
    /// The shell commands that remove or break something.
    pub prepare: &'a str,
    /// The kernel's version, which may be a shell variable. More words of the builder may follow it.
    pub kernel: &'a str,
    /// A part of the message.
    pub message: &'a str,
}

/// The shell commands that copy the modules of the 6.1 kernel to `$other`, for a kernel 6.1.0-other.
pub(crate) const COPY_MODULES: &str = "other=/lib/modules/6.1.0-other && cp -r /lib/modules/$KERNEL_6_1 $other &&
    cp /boot/config-$KERNEL_6_1 /boot/config-6.1.0-other";

/// Checks that each builder refuses what no builder can do, and then `more`. `build` makes the shell commands of one build.
pub(crate) fn refuses(more: &[Refusal], build: impl Fn(&Refusal) -> Result<String>) -> Result<()> {
    let no_squashfs = format!("{COPY_MODULES} && find $other -name squashfs.ko -delete && depmod 6.1.0-other");
    let packed_loop =
        format!("{COPY_MODULES} && find $other -name loop.ko -exec mv {{}} {{}}.lz4 \\; && depmod 6.1.0-other");
    let both = [
        Refusal {
            prepare: "rm /usr/lib/measureroot/init",
            kernel: "$KERNEL_6_1",
            message: "/usr/lib/measureroot/init is missing: install the package measureroot",
        },
        Refusal {
            prepare: "cp /bin/true /usr/lib/measureroot/init",
            kernel: "$KERNEL_6_1",
            message: "is not the agent, it needs shared libraries: initramfs/build",
        },
        Refusal {
            prepare: "rm /usr/lib/measureroot/boot-modules.sh",
            kernel: "$KERNEL_6_1",
            message: "boot-modules.sh is missing: install the package measureroot",
        },
        Refusal {
            prepare: "rm /usr/bin/xz",
            kernel: "$KERNEL_6_12",
            message: ".ko.xz cannot be unpacked without xz: install the package xz-utils",
        },
        Refusal {
            prepare: &no_squashfs,
            kernel: "6.1.0-other",
            message: "the kernel 6.1.0-other has no squashfs, neither as a module nor built in: take another kernel",
        },
        Refusal {
            prepare: &packed_loop,
            kernel: "6.1.0-other",
            message: "loop.ko.lz4 is no module to depmod: pack this kernel's modules",
        },
    ];
    for refusal in both.iter().chain(more) {
        let (Refusal { prepare, message, .. }, builder) = (refusal, Builder::initramfs()?);
        let said = builder.refuses(&build(refusal)?)?;
        ensure!(said.contains(message), "{prepare}: not {message:?} but {said}");
    }
    Ok(())
}
