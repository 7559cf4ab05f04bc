//! The commands of docs/initramfs-tools.md: Debian's mkinitramfs builds initramfs for Debian's kernels, and they boot measured.

mod initramfs_builder;

use initramfs_builder::{Recipe, Refusal, refuses};
use test_vm::{Builder, DocPage, Kernel, Result, RootFs, ensure};

/// The files that mkinitramfs adds for a dynamic linker.
const NOTES: &[&str] =
    &["etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d/libc.conf", "etc/ld.so.conf.d/x86_64-linux-gnu.conf"];

const MKINITRAMFS: Recipe = Recipe { page: "docs/initramfs-tools.md", commands, listed: "\ninit\n", notes: NOTES };

/// The page's installation, and then `more`.
fn installed(more: &str) -> Result<String> {
    Ok(format!("{}\n{more}", DocPage::open(MKINITRAMFS.page)?.block("apt-get")?))
}

/// The page's commands up to the initramfs, for one of the two kernels. The guest's probe needs one more module.
fn commands(kernel: &str) -> Result<String> {
    let build = DocPage::open(MKINITRAMFS.page)?.block("MEASUREROOT=yes")?.replace("$(uname -r)", kernel);
    ensure!(build.contains(&format!("KERNEL={kernel}")), "{build}");
    installed(&format!("echo virtio_console >>/etc/initramfs-tools/modules\n{build}"))
}

#[test]
fn the_page_s_own_boot_is_measured() -> Result<()> {
    MKINITRAMFS.page_boots()
}

#[test]
fn the_page_s_command_predicts_all_pcrs() -> Result<()> {
    MKINITRAMFS.page_predicts()
}

#[test]
fn debian_boots_measured() -> Result<()> {
    MKINITRAMFS.debian_boots(Kernel::V6_1, RootFs::Erofs)
}

#[test]
fn debian_boots_measured_with_compressed_kernel_modules() -> Result<()> {
    MKINITRAMFS.debian_boots(Kernel::V6_12, RootFs::Squashfs)
}

#[test]
fn the_installation_does_not_change_ordinary_initramfs() -> Result<()> {
    let builder = Builder::initramfs()?;
    let prepare = "export SOURCE_DATE_EPOCH=0\n echo MODULES=list >/etc/initramfs-tools/conf.d/small";
    let ordinary = "mkinitramfs -l 1 -o";
    builder.run(&format!("{prepare}\n{ordinary} before.img $KERNEL_6_1"))?;
    // mkinitramfs also packs its configuration. Only measureroot's file in it is new.
    builder.run(&format!("{prepare}\n{}", installed(&format!("{ordinary} after.img $KERNEL_6_1"))?))?;
    let list = |name: &str| -> Result<Vec<String>> {
        let entries = builder.contents(name)?.into_iter();
        Ok(entries.filter(|entry| !entry.ends_with("conf/conf.d/measureroot.conf")).collect())
    };
    let (before, after) = (list("before.img")?, list("after.img")?);
    ensure!(before.iter().any(|entry| entry.ends_with("/busybox")), "an ordinary initramfs has busybox: {before:?}");
    assert_eq!(before, after);
    Ok(())
}

/// Another hook in `$folder`. Its name makes it the last one, and it adds files to the initramfs, also in a second archive.
const OTHER_HOOK: &str = "cat >$folder/zz-other <<'END'
#! /bin/sh
if [ \"$1\" = prereqs ]; then exit; fi
. /usr/share/initramfs-tools/hook-functions
copy_exec /bin/bash /bin
echo init | cpio --create --format=newc --directory=/usr/share/initramfs-tools --quiet >/tmp/second.cpio
catenate_cpiogz /tmp/second.cpio
END
chmod +x $folder/zz-other";

#[test]
fn every_way_to_ask_gives_a_lean_initramfs_and_the_same_one_each_time() -> Result<()> {
    let builder = Builder::initramfs()?;
    builder.run(&installed(&format!(
        "folder=/usr/share/initramfs-tools/hooks
         {OTHER_HOOK}
         mkinitramfs -o other.img $KERNEL_6_1
         grep --text --count TRAILER!!! other.img
         MEASUREROOT=yes mkinitramfs -o once.img $KERNEL_6_1
         sed --in-place 's/^: .*MEASUREROOT:=no.*/MEASUREROOT=yes/' /etc/initramfs-tools/conf.d/measureroot.conf
         touch /usr/lib/measureroot/init
         update-initramfs -c -k $KERNEL_6_1
         cmp once.img /boot/initrd.img-$KERNEL_6_1
         echo 'MODULES=most' >/etc/initramfs-tools/conf.d/zz-most
         mkinitramfs -o most.img $KERNEL_6_1
         cmp once.img most.img
         sed --in-place 's/^#MEASUREROOT_/MEASUREROOT_/' /etc/initramfs-tools/conf.d/measureroot.conf
         mkinitramfs -o few.img $KERNEL_6_1"
    ))?)?;
    ensure!(builder.is_lean("other.img", NOTES).is_err(), "an ordinary initramfs is not lean");
    let (all, few) = (builder.modules("once.img")?, builder.modules("few.img")?);
    for module in ["squashfs.ko", "sd_mod.ko"].map(str::to_owned) {
        ensure!(all.contains(&module) && !few.contains(&module), "{module}: {all:?} {few:?}");
    }
    ensure!(few.contains(&"erofs.ko".into()) && few.contains(&"virtio_blk.ko".into()), "{few:?}");
    builder.is_lean("once.img", NOTES)
}

#[test]
fn a_build_that_lacks_something_fails_and_names_it() -> Result<()> {
    let more = [
        Refusal { prepare: "MEASUREROOT=on", kernel: "$KERNEL_6_1", message: "MEASUREROOT=on is neither yes nor no" },
        Refusal { prepare: ":", kernel: "9.9.9", message: "/boot/config-9.9.9: No such file or directory" },
        Refusal {
            prepare: "cp /boot/config-$KERNEL_6_1 /boot/config-9.9.9",
            kernel: "9.9.9",
            message: "/lib/modules/9.9.9/modules.dep is missing: install this kernel's package",
        },
        Refusal {
            prepare: &format!("folder=/etc/initramfs-tools/hooks\n{OTHER_HOOK}"),
            kernel: "$KERNEL_6_1",
            message: "/etc/initramfs-tools/hooks/zz-other would run later and could change the initramfs",
        },
        Refusal {
            prepare: "echo nowhere >/etc/initramfs-tools/modules",
            kernel: "$KERNEL_6_1",
            message: "has no nowhere, neither as a module nor built in",
        },
    ];
    refuses(&more, |Refusal { prepare, kernel, .. }| {
        installed(&format!("export MEASUREROOT=yes\n{prepare}\n mkinitramfs -o x.img {kernel}"))
    })
}

/// The administrator's `MEASUREROOT=yes` outlives the package: without the hook, it must change nothing.
#[test]
fn what_stays_after_a_removal_does_not_change_ordinary_initramfs() -> Result<()> {
    let builder = Builder::initramfs()?;
    let ordinary = "export SOURCE_DATE_EPOCH=0\nmkinitramfs -l 1 -o";
    builder.run(&installed(&format!(
        "{ordinary} before.img $KERNEL_6_1
         sed --in-place 's/^: .*MEASUREROOT:=no.*/MEASUREROOT=yes/' /etc/initramfs-tools/conf.d/measureroot.conf
         rm /usr/share/initramfs-tools/*/measureroot
         rm -r /usr/lib/measureroot
         {ordinary} after.img $KERNEL_6_1"
    ))?)?;
    assert_eq!(builder.modules("before.img")?, builder.modules("after.img")?);
    ensure!(!builder.modules("after.img")?.is_empty(), "an ordinary initramfs has modules");
    Ok(())
}

#[test]
fn a_test_runs_each_block_of_the_page() -> Result<()> {
    let parts = ["apt-get", "MEASUREROOT=yes", "qemu-system-x86_64", "chain.json", "> expected"];
    DocPage::open(MKINITRAMFS.page)?.has_only(&parts)
}
