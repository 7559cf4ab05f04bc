//! docs/initramfs-tools.md, followed: mkinitramfs of Debian's packages builds initramfs for Debian's kernels, and they boot
//! measured.

use test_vm::{Builder, DocPage, Image, Kernel, Result, Vm, ensure};

/// What mkinitramfs leaves for a dynamic linker.
const NOTES: [&str; 4] =
    ["etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d/libc.conf", "etc/ld.so.conf.d/x86_64-linux-gnu.conf"];

fn page() -> Result<DocPage> {
    DocPage::open("docs/initramfs-tools.md")
}

/// The page's installation, and then `more`.
fn installed(more: &str) -> Result<String> {
    Ok(format!("{}\n{more}", page()?.block("apt-get")?))
}

/// The page's commands up to the initramfs, for one of the two kernels; the guest's probe needs one module more.
fn commands(kernel: &str) -> Result<String> {
    let build = page()?.block("MEASUREROOT=yes")?.replace("$(uname -r)", kernel);
    ensure!(build.contains(&format!("KERNEL={kernel}")), "{build}");
    installed(&format!("echo virtio_console >>/etc/initramfs-tools/modules\n{build}"))
}

#[test]
fn the_page_s_own_boot_is_measured() -> Result<()> {
    let builder = Builder::new()?;
    builder.run(&commands("$KERNEL_6_12")?)?;
    let initramfs = builder.file("measureroot.img")?;
    page()?.boot(&Kernel::V6_12.image()?, &initramfs, &Image::debian("squashfs")?)
}

fn boots(kernel: Kernel, name: &str, format: &str) -> Result<()> {
    let builder = Builder::new()?;
    let said = builder.run(&commands(name)?)?;
    // The last command lists what is in it.
    ensure!(said.contains("\ninit\n") && said.contains("/overlay.ko\n"), "{said}");
    builder.is_lean("measureroot.img", &NOTES)?;

    let image = Image::debian(format)?;
    let vm = Vm::new("root=/dev/vda rw").kernel(kernel).initramfs(builder.file("measureroot.img")?);
    let mut guest = vm.large().disk(&image).boots()?;
    assert_eq!(guest.beneath()?, Vec::<String>::new());
    page()?.check(&mut guest, &image)?;
    guest.ends_measured(&image).map(drop)
}

#[test]
fn debian_boots_measured() -> Result<()> {
    boots(Kernel::V6_1, "$KERNEL_6_1", "erofs")
}

#[test]
fn debian_boots_measured_with_the_kernel_whose_modules_are_compressed() -> Result<()> {
    boots(Kernel::V6_12, "$KERNEL_6_12", "squashfs")
}

#[test]
fn nothing_changes_until_it_is_asked_for() -> Result<()> {
    let builder = Builder::new()?;
    let prepare = "export SOURCE_DATE_EPOCH=0\n echo MODULES=list >/etc/initramfs-tools/conf.d/small";
    let ordinary = "mkinitramfs -l 1 -o";
    builder.run(&format!("{prepare}\n{ordinary} before.img $KERNEL_6_1"))?;
    // The configuration is packed, too: that file alone is new.
    builder.run(&format!("{prepare}\n{}", installed(&format!("{ordinary} after.img $KERNEL_6_1"))?))?;
    let list = |name: &str| -> Result<Vec<String>> {
        let entries = builder.contents(name)?.into_iter();
        Ok(entries.filter(|entry| !entry.ends_with("conf/conf.d/measureroot.conf")).collect())
    };
    let (before, after) = (list("before.img")?, list("after.img")?);
    ensure!(before.iter().any(|entry| entry.ends_with("/busybox")), "an ordinary initramfs has it: {before:?}");
    assert_eq!(before, after);
    Ok(())
}

/// Another hook, which wants to be the last one and to have its files in the initramfs, also in a second archive.
const OTHER_HOOK: &str = "cat >/etc/initramfs-tools/hooks/zz-other <<'END'
#! /bin/sh
if [ \"$1\" = prereqs ]; then exit; fi
. /usr/share/initramfs-tools/hook-functions
copy_exec /bin/bash /bin
echo init | cpio --create --format=newc --directory=/usr/share/initramfs-tools --quiet >/tmp/second.cpio
catenate_cpiogz /tmp/second.cpio
END
chmod +x /etc/initramfs-tools/hooks/zz-other";

#[test]
fn it_is_lean_however_it_is_asked_for_and_the_same_each_time() -> Result<()> {
    let builder = Builder::new()?;
    builder.run(&installed(&format!(
        "{OTHER_HOOK}
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
    ensure!(builder.is_lean("other.img", &NOTES).is_err(), "an ordinary initramfs is not lean");
    let (all, few) = (builder.modules("once.img")?, builder.modules("few.img")?);
    for module in ["squashfs.ko", "sd_mod.ko"].map(str::to_owned) {
        ensure!(all.contains(&module) && !few.contains(&module), "{module}: {all:?} {few:?}");
    }
    ensure!(few.contains(&"erofs.ko".into()) && few.contains(&"virtio_blk.ko".into()), "{few:?}");
    builder.is_lean("once.img", &NOTES)
}

/// A copy of a kernel's modules, changed.
const OTHER: &str = "other=/lib/modules/6.1.0-other && cp -r /lib/modules/$KERNEL_6_1 $other &&
    cp /boot/config-$KERNEL_6_1 /boot/config-6.1.0-other";

#[test]
fn what_is_missing_is_named() -> Result<()> {
    for (prepare, kernel, said) in [
        (
            "rm /usr/lib/measureroot/init",
            "$KERNEL_6_1",
            "/usr/lib/measureroot/init is missing: install the package measureroot",
        ),
        (
            "cp /bin/true /usr/lib/measureroot/init",
            "$KERNEL_6_1",
            "is not the agent, it needs shared libraries: initramfs/build",
        ),
        (
            "rm /usr/lib/measureroot/boot-modules.sh",
            "$KERNEL_6_1",
            "boot-modules.sh is missing: install the package measureroot",
        ),
        ("rm /usr/bin/xz", "$KERNEL_6_12", ".ko.xz cannot be unpacked without xz: install the package xz-utils"),
        ("MEASUREROOT=on", "$KERNEL_6_1", "MEASUREROOT=on is neither yes nor no"),
        (":", "9.9.9", "/boot/config-9.9.9: No such file or directory"),
        (
            "cp /boot/config-$KERNEL_6_1 /boot/config-9.9.9",
            "9.9.9",
            "/lib/modules/9.9.9/modules.dep is missing: install this kernel's package",
        ),
        (
            "echo nowhere >/etc/initramfs-tools/modules",
            "$KERNEL_6_1",
            "has no nowhere, neither as a module nor built in",
        ),
        (
            &format!("{OTHER} && find $other -name squashfs.ko -delete && depmod 6.1.0-other"),
            "6.1.0-other",
            "the kernel 6.1.0-other has no squashfs, neither as a module nor built in: take another kernel",
        ),
        (
            &format!("{OTHER} && find $other -name loop.ko -exec mv {{}} {{}}.lz4 \\; && depmod 6.1.0-other"),
            "6.1.0-other",
            "loop.ko.lz4 is no module to depmod: pack this kernel's modules",
        ),
    ] {
        let build = format!("export MEASUREROOT=yes\n{prepare}\n mkinitramfs -o x.img {kernel}");
        let heard = Builder::new()?.refuses(&installed(&build)?)?;
        ensure!(heard.contains(said), "{prepare}: not {said:?} but {heard}");
    }
    Ok(())
}

#[test]
fn there_is_no_block_that_nobody_runs() -> Result<()> {
    page()?.is_only(&["apt-get", "MEASUREROOT=yes", "qemu-system-x86_64", "measureroot predict"])
}
