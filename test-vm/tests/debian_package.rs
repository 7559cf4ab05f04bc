//! The commands of docs/debian-package.md: they install the package in a Debian without measureroot, use it, and purge it.

use std::time::Duration;
use test_vm::{Builder, DocPage, Image, Result, RootFs, Vm, assets, ensure, tool};

fn page() -> Result<DocPage> {
    DocPage::open("docs/debian-package.md")
}

/// Defines `files`, which lists the files of the file system except for the notes of dpkg and apt, and calls it. It also makes
/// dpkg install manuals.
const FILES: &str = "rm -f /etc/dpkg/dpkg.cfg.d/*
    files() {
        find / -xdev -path /folder -prune -o -path /tmp -prune -o -print |
            grep --invert-match --extended-regexp '^/var/(log|cache|lib/apt|lib/dpkg)(/|$)' | sort
    }
    files >files.before\n";

#[test]
fn the_package_works_when_installed_and_leaves_nothing_when_purged() -> Result<()> {
    let (builder, page) = (Builder::initramfs()?, page()?);
    let image = Image::small(RootFs::Squashfs)?;
    builder.put("rootfs.squashfs", &image)?;
    // The probe needs one more module.
    let build = page.block("measureroot initramfs")?.replace("$(uname -r)", "$KERNEL_6_1");
    let build = build.replace("--module overlay", "--module overlay --module virtio_console");
    ensure!(build.contains("KERNEL=$KERNEL_6_1") && build.contains("virtio_console"), "{build}");
    let ordinary = "dracut --no-hostonly --reproducible --zstd --kver $KERNEL_6_1";
    let said = builder.run(
        &[
            FILES,
            &format!("{ordinary} before.img\n"),
            &page.block("apt-get install")?,
            &format!("{ordinary} after.img\ncmp before.img after.img\n"),
            &build,
            "dracut --add measureroot --no-hostonly --kver $KERNEL_6_1 dracut.img
         MEASUREROOT=yes mkinitramfs -o initramfs-tools.img $KERNEL_6_1
         . /usr/share/bash-completion/completions/measureroot
         complete -p measureroot
         ls /usr/share/man/man8/measureroot.8.gz /usr/share/man/man7/measureroot.cmdline.7.gz
         ls /usr/share/doc/measureroot/README.md* /usr/share/man/man8/measureroot-live.8.gz
         measureroot-live --help
         zcat /usr/share/doc/measureroot/sbom/agent.cdx.json.gz | grep --count tpm2-tss\n",
            &page.block("apt-get purge")?,
            "files >files.after\ndiff files.before files.after\n",
        ]
        .concat(),
    )?;
    for part in
        [" -F _measureroot measureroot", "  sha256:\n    13: 0x", "start init\n", "--toram          copy the image"]
    {
        ensure!(said.contains(part), "not {part:?} but {said}");
    }
    builder.is_lean("dracut.img", &["lib/dracut/build-parameter.txt", "lib/dracut/modules.txt"])?;
    let boot = Vm::new("root=/dev/vda").initramfs(builder.file("measureroot.img")?).disk(&image).boots()?;
    boot.ends_measured(&image).map(drop)
}

#[test]
fn lintian_finds_no_error_and_no_warning() -> Result<()> {
    let package = assets::product(concat!("initramfs/measureroot_", env!("CARGO_PKG_VERSION"), "_amd64.deb"))?;
    let arguments = ["--fail-on=error,warning".into(), "--allow-root".into(), package];
    assert_eq!(tool::output(Duration::from_secs(120), "lintian", arguments)?, "");
    Ok(())
}

#[test]
fn a_test_runs_each_block_of_the_page() -> Result<()> {
    let parts = ["initramfs/deb\n", "apt-get install", "measureroot initramfs", "apt-get purge", "initramfs/release\n"];
    page()?.has_only(&parts)
}
