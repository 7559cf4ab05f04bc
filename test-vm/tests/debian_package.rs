//! docs/debian-package.md, followed: the package is installed in a Debian that has nothing of ours, used, and purged.

use std::time::Duration;
use test_vm::{Builder, DocPage, Image, Result, Vm, assets, ensure, tool};

/// A block of the page.
fn block(part: &str) -> Result<String> {
    Ok(DocPage::open("docs/debian-package.md")?.block(part)?.to_owned())
}

/// What is on the file system, but for what dpkg and apt note about themselves; manuals are not kept out of it.
const FILES: &str = "rm -f /etc/dpkg/dpkg.cfg.d/*
    files() {
        find / -xdev -path /folder -prune -o -path /tmp -prune -o -print |
            grep --invert-match --extended-regexp '^/var/(log|cache|lib/apt|lib/dpkg)(/|$)' | sort
    }
    files >files.before\n";

#[test]
fn it_is_installed_used_and_purged() -> Result<()> {
    let builder = Builder::new()?;
    let image = Image::small("squashfs")?;
    builder.put("rootfs.squashfs", &image)?;
    // The probe's module comes on top.
    let build = block("measureroot initramfs")?.replace("$(uname -r)", "$KERNEL_6_1");
    let build = build.replace("--module overlay", "--module overlay --module virtio_console");
    ensure!(build.contains("KERNEL=$KERNEL_6_1") && build.contains("virtio_console"), "{build}");
    let ordinary = "dracut --no-hostonly --reproducible --zstd --kver $KERNEL_6_1";
    let said = builder.run(
        &[
            FILES,
            &format!("{ordinary} before.img\n"),
            &block("apt-get install")?,
            &format!("{ordinary} after.img\ncmp before.img after.img\n"),
            &build,
            "dracut --add measureroot --no-hostonly --kver $KERNEL_6_1 dracut.img
         MEASUREROOT=yes mkinitramfs -o initramfs-tools.img $KERNEL_6_1
         . /usr/share/bash-completion/completions/measureroot
         complete -p measureroot
         ls /usr/share/man/man8/measureroot.8.gz /usr/share/man/man7/measureroot.cmdline.7.gz
         zcat /usr/share/doc/measureroot/sbom/agent.cdx.json.gz | grep --count tpm2-tss\n",
            &block("apt-get purge")?,
            "files >files.after\ndiff files.before files.after\n",
        ]
        .concat(),
    )?;
    for part in [" -F _measureroot measureroot", "  sha256:\n    13: 0x", "start init\n"] {
        ensure!(said.contains(part), "not {part:?} but {said}");
    }
    builder.is_lean("dracut.img", &["lib/dracut/build-parameter.txt", "lib/dracut/modules.txt"])?;
    let boot = Vm::new("root=/dev/vda").initramfs(builder.file("measureroot.img")?).disk(&image).boots()?;
    boot.ends_measured(&image).map(drop)
}

#[test]
fn debian_s_own_judge_of_packages_has_nothing_to_say() -> Result<()> {
    let package = assets::product(concat!("initramfs/measureroot_", env!("CARGO_PKG_VERSION"), "_amd64.deb"))?;
    let arguments = ["--fail-on=error,warning".into(), "--allow-root".into(), package];
    assert_eq!(tool::output(Duration::from_mins(2), "lintian", arguments)?, "");
    Ok(())
}

#[test]
fn there_is_no_block_that_nobody_runs() -> Result<()> {
    let parts = ["initramfs/deb\n", "apt-get install", "measureroot initramfs", "apt-get purge", "initramfs/release\n"];
    DocPage::open("docs/debian-package.md")?.is_only(&parts)
}
