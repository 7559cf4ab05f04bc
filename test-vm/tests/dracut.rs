//! docs/dracut.md, followed: dracut of Debian's packages builds initramfs for Debian's kernels, and they boot measured.

use test_vm::{Builder, DocPage, Image, Kernel, Result, Vm, ensure};

/// What dracut notes about a build.
const NOTES: [&str; 2] = ["lib/dracut/build-parameter.txt", "lib/dracut/modules.txt"];

/// A block of the page.
fn block(part: &str) -> Result<String> {
    Ok(DocPage::open("docs/dracut.md")?.block(part)?.to_owned())
}

/// The page's commands up to the initramfs, for one of the two kernels; the guest's probe needs one module more.
fn commands(kernel: &str) -> Result<String> {
    let build = block("dracut --add")?;
    let named =
        build.replace("$(uname -r)", kernel).replace("--no-hostonly", "--no-hostonly --add-drivers virtio_console");
    ensure!(named.contains(&format!("KERNEL={kernel}")) && named.contains("virtio_console"), "{named}");
    Ok(block("apt-get")? + &named)
}

#[test]
fn the_page_s_own_boot_is_measured() -> Result<()> {
    let builder = Builder::new()?;
    builder.run(&commands("$KERNEL_6_12")?)?;
    let initramfs = builder.file("measureroot.img")?;
    DocPage::open("docs/dracut.md")?.boot(&Kernel::V6_12.image()?, &initramfs, &Image::debian("squashfs")?)
}

fn boots(kernel: Kernel, name: &str, format: &str) -> Result<()> {
    let builder = Builder::new()?;
    let said = builder.run(&commands(name)?)?;
    // The last command lists what is in it.
    ensure!(said.contains(" init\n") && said.contains("/overlay.ko\n"), "{said}");
    builder.is_lean("measureroot.img", &NOTES)?;

    let image = Image::debian(format)?;
    let vm = Vm::new("root=/dev/vda rw").kernel(kernel).initramfs(builder.file("measureroot.img")?);
    let mut guest = vm.large().disk(&image).boots()?;
    assert_eq!(guest.beneath()?, Vec::<String>::new());
    DocPage::open("docs/dracut.md")?.check(&mut guest, &image)?;
    guest.ends_measured(&image).map(drop)
}

#[test]
fn debian_boots_measured() -> Result<()> {
    boots(Kernel::V6_1, "$KERNEL_6_1", "squashfs")
}

#[test]
fn debian_boots_measured_with_the_kernel_whose_modules_are_compressed() -> Result<()> {
    boots(Kernel::V6_12, "$KERNEL_6_12", "erofs")
}

/// The page's installation, without its package manager, and then `more`.
fn installed(more: &str) -> Result<String> {
    Ok(format!("{}\n{more}", block("apt-get")?))
}

#[test]
fn nothing_changes_until_it_is_asked_for() -> Result<()> {
    let builder = Builder::new()?;
    let ordinary = "dracut --no-hostonly --reproducible --compress 'zstd -1' --kver $KERNEL_6_1";
    builder.run(&format!("{ordinary} before.img"))?;
    builder.run(&installed(&format!("{ordinary} after.img\n cmp before.img after.img"))?)?;
    let list = builder.contents("after.img")?.join("\n");
    ensure!(list.contains("/systemd\n") && list.contains("/bash\n"), "an ordinary initramfs has both: {list}");
    Ok(())
}

#[test]
fn it_is_lean_however_it_is_asked_for_and_the_same_each_time() -> Result<()> {
    let builder = Builder::new()?;
    builder.run(&installed(
        "dracut --add 'lvm measureroot bash' --kver $KERNEL_6_1 --install /bin/bash added.img
         dracut --modules measureroot --hostonly --kver $KERNEL_6_1 host.img
         dracut --modules measureroot --no-kernel --kver $KERNEL_6_1 agent.img
         sed --in-place 's/^#add_dracutmodules/add_dracutmodules/' /etc/dracut.conf.d/measureroot.conf
         dracut --kver $KERNEL_6_1 always.img
         touch /usr/lib/measureroot/init
         dracut --kver $KERNEL_6_1 again.img
         cmp always.img again.img
         sed --in-place 's/^#measureroot_/measureroot_/' /etc/dracut.conf.d/measureroot.conf
         dracut --kver $KERNEL_6_1 few.img",
    )?)?;
    for name in ["added.img", "host.img", "agent.img", "always.img"] {
        builder.is_lean(name, &NOTES)?;
    }
    let (always, host) = (builder.modules("always.img")?, builder.modules("host.img")?);
    assert_eq!(builder.modules("added.img")?, always);
    assert_eq!(builder.modules("agent.img")?, Vec::<String>::new());
    let few = builder.modules("few.img")?;
    ensure!(few.contains(&"erofs.ko".into()) && few.contains(&"virtio_blk.ko".into()), "{few:?}");
    ensure!(!few.contains(&"squashfs.ko".into()) && !few.contains(&"sd_mod.ko".into()), "{few:?}");
    // No machine is a guest of these three at once.
    let guests = ["hv_storvsc.ko", "xen-blkfront.ko", "vmw_pvscsi.ko"].map(str::to_owned);
    let needed = ["squashfs.ko", "erofs.ko", "overlay.ko", "loop.ko", "dm-verity.ko"].map(str::to_owned);
    ensure!(guests.iter().chain(&needed).all(|module| always.contains(module)), "{always:?}");
    ensure!(needed.iter().all(|module| host.contains(module)), "{host:?}");
    let said = builder.run(&installed(
        "dracut --modules measureroot --no-kernel --include /etc/fstab /fstab --kver $KERNEL_6_1 more.img",
    )?)?;
    ensure!(said.contains("what --include names goes into the initramfs"), "{said}");
    ensure!(builder.is_lean("more.img", &NOTES).is_err(), "/fstab was not seen");
    ensure!(!guests.iter().all(|module| host.contains(module)), "{host:?}");
    Ok(())
}

/// A copy of a kernel's modules, changed.
const OTHER: &str = "other=/lib/modules/6.1.0-other && cp -r /lib/modules/$KERNEL_6_1 $other";

#[test]
fn what_is_missing_is_named() -> Result<()> {
    let dracut = "dracut --modules measureroot x.img --kver";
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
        (":", "9.9.9", "Cannot find module directory /lib/modules/9.9.9"),
        (":", "$KERNEL_6_1 --add-drivers nowhere", "Failed to find module 'nowhere'"),
        (
            &format!("{OTHER} && find $other -name squashfs.ko -delete && depmod 6.1.0-other"),
            "6.1.0-other",
            "the kernel 6.1.0-other has no squashfs, neither as a module nor built in: take another kernel",
        ),
        (
            &format!("{OTHER} && sed --in-place /tpm/d $other/modules.builtin $other/modules.dep"),
            "6.1.0-other",
            "the kernel 6.1.0-other has no tpm_tis, no tpm_crb, no tpm_tis_spi, ",
        ),
        (
            &format!("{OTHER} && find $other -name loop.ko -exec mv {{}} {{}}.lz4 \\; && depmod 6.1.0-other"),
            "6.1.0-other",
            "loop.ko.lz4 is no module to depmod: pack this kernel's modules",
        ),
    ] {
        let heard = Builder::new()?.refuses(&installed(&format!("{prepare}\n{dracut} {kernel}"))?)?;
        ensure!(heard.contains(said), "{prepare}: not {said:?} but {heard}");
    }
    Ok(())
}

#[test]
fn there_is_no_block_that_nobody_runs() -> Result<()> {
    DocPage::open("docs/dracut.md")?.is_only(&["apt-get", "dracut --add", "qemu-system-x86_64", "measureroot predict"])
}
