//! The commands of docs/dracut.md: Debian's dracut builds initramfs for Debian's kernels, and they boot measured.

mod initramfs_builder;

use initramfs_builder::{COPY_MODULES, Recipe, Refusal, refuses};
use std::ffi::OsStr;
use test_vm::scratch::Scratch;
use test_vm::{Builder, Bus, DocPage, Firmware, Image, Kernel, Result, RootFs, Vm, ensure, predict, uki};

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
/// The files in which dracut describes a build.
const NOTES: &[&str] = &["lib/dracut/build-parameter.txt", "lib/dracut/modules.txt"];

const DRACUT: Recipe = Recipe { page: "docs/dracut.md", commands, listed: " init\n", notes: NOTES };

/// The page's commands up to the initramfs, for one of the two kernels. The guest's probe needs one more module.
fn commands(kernel: &str) -> Result<String> {
    let page = DocPage::open(DRACUT.page)?;
    let build = page.block("dracut --add")?;
    let named =
        build.replace("$(uname -r)", kernel).replace("--no-hostonly", "--no-hostonly --add-drivers virtio_console");
    ensure!(named.contains(&format!("KERNEL={kernel}")) && named.contains("virtio_console"), "{named}");
    Ok(page.block("apt-get")? + &named)
}

#[test]
fn the_page_s_own_boot_is_measured() -> Result<()> {
    DRACUT.page_boots()
}

#[test]
fn the_page_s_command_predicts_all_pcrs() -> Result<()> {
    DRACUT.page_predicts()
}

/// `dracut --uefi` makes a unified kernel image. The Debian has neither the stub nor binutils: both are this machine's.
#[test]
fn an_image_of_dracut_s_option_uefi_is_measured_as_predicted() -> Result<()> {
    let (scratch, builder) = (Scratch::new()?, Builder::initramfs()?);
    let tools = builder.place("lib");
    let copy = "mkdir \"$0\"
        for tool in objcopy objdump; do
            cp --dereference /usr/bin/$tool \"$0\"
            ldd /usr/bin/$tool | sed -n 's/.* => \\(\\/.*\\) (.*/\\1/p' | xargs cp --dereference --target-directory \"$0\"
        done
        rm \"$0/libc.so.6\"
        cp /usr/lib/systemd/boot/efi/linuxx64.efi.stub \"$0/stub\"";
    uki::run("sh", ["-euc", copy].map(OsStr::new).into_iter().chain([tools.as_os_str()]))?;
    builder.run(&installed(&format!(
        "for tool in objcopy objdump; do
            printf '#!/bin/sh\\nLD_LIBRARY_PATH=/folder/lib exec /folder/lib/%s \"$@\"\\n' $tool >/usr/bin/$tool
            chmod +x /usr/bin/$tool
        done
        dracut --uefi --uefi-stub lib/stub --kernel-image /checkout/target/test-vm/kernel-6.12/vmlinuz \\
            --kernel-cmdline '{CMDLINE}' --add measureroot --no-hostonly --add-drivers virtio_console \\
            --kver $KERNEL_6_12 measured.efi"
    ))?)?;
    let esp = scratch.path("esp");
    std::fs::create_dir_all(esp.join("EFI/BOOT"))?;
    let program = esp.join("EFI/BOOT/BOOTX64.EFI");
    std::fs::copy(builder.file("measured.efi")?, &program)?;
    let chain = predict::chain(&program)?;
    assert_eq!(chain.keys().copied().collect::<Vec<_>>(), [4, 8, 9, 11, 12, 14]);
    let vm = Vm::started_by(Firmware::Uefi).large().disk_file(Bus::Virtio, uki::disk(&esp, &[], &scratch)?);
    predict::holds(&vm.disk(&Image::small(RootFs::Squashfs)?).boots()?.power_off()?, &chain)
}

#[test]
fn debian_boots_measured() -> Result<()> {
    DRACUT.debian_boots(Kernel::V6_1, RootFs::Squashfs)
}

#[test]
fn debian_boots_measured_with_compressed_kernel_modules() -> Result<()> {
    DRACUT.debian_boots(Kernel::V6_12, RootFs::Erofs)
}

/// The page's installation, and then `more`.
fn installed(more: &str) -> Result<String> {
    Ok(format!("{}\n{more}", DocPage::open(DRACUT.page)?.block("apt-get")?))
}

#[test]
fn the_installation_does_not_change_ordinary_initramfs() -> Result<()> {
    let builder = Builder::initramfs()?;
    let ordinary = "dracut --no-hostonly --reproducible --compress 'zstd -1' --kver $KERNEL_6_1";
    builder.run(&format!("{ordinary} before.img"))?;
    builder.run(&installed(&format!("{ordinary} after.img\n cmp before.img after.img"))?)?;
    let list = builder.contents("after.img")?.join("\n");
    ensure!(list.contains("/systemd\n") && list.contains("/bash\n"), "an ordinary initramfs has these two: {list}");
    Ok(())
}

#[test]
fn every_way_to_ask_gives_a_lean_initramfs_and_the_same_one_each_time() -> Result<()> {
    let builder = Builder::initramfs()?;
    builder.run(&installed(
        "dracut --add 'lvm measureroot bash' --kver $KERNEL_6_1 --install /bin/bash added.img
         dracut --modules measureroot --hostonly --kver $KERNEL_6_1 host.img
         dracut --modules measureroot --no-kernel --kver $KERNEL_6_1 agent.img
         mkdir -p /etc/dracut.conf.d
         conf=/etc/dracut.conf.d/50-measureroot.conf
         sed 's/^#add_dracutmodules/add_dracutmodules/' /usr/lib/dracut/dracut.conf.d/50-measureroot.conf >$conf
         dracut --kver $KERNEL_6_1 always.img
         touch /usr/lib/measureroot/init
         dracut --kver $KERNEL_6_1 again.img
         cmp always.img again.img
         sed --in-place 's/^#measureroot_/measureroot_/' $conf
         dracut --kver $KERNEL_6_1 few.img",
    )?)?;
    for name in ["added.img", "host.img", "agent.img", "always.img"] {
        builder.is_lean(name, NOTES)?;
    }
    let (always, host) = (builder.modules("always.img")?, builder.modules("host.img")?);
    assert_eq!(builder.modules("added.img")?, always);
    assert_eq!(builder.modules("agent.img")?, Vec::<String>::new());
    let few = builder.modules("few.img")?;
    ensure!(few.contains(&"erofs.ko".into()) && few.contains(&"virtio_blk.ko".into()), "{few:?}");
    ensure!(!few.contains(&"squashfs.ko".into()) && !few.contains(&"sd_mod.ko".into()), "{few:?}");
    // These three belong to different hypervisors, so the modules of one host never include all of them.
    let guests = ["hv_storvsc.ko", "xen-blkfront.ko", "vmw_pvscsi.ko"].map(str::to_owned);
    let needed = ["squashfs.ko", "erofs.ko", "overlay.ko", "loop.ko", "dm-verity.ko"].map(str::to_owned);
    ensure!(guests.iter().chain(&needed).all(|module| always.contains(module)), "{always:?}");
    ensure!(needed.iter().all(|module| host.contains(module)), "{host:?}");
    let said = builder.run(&installed(
        "dracut --modules measureroot --no-kernel --include /etc/fstab /fstab --kver $KERNEL_6_1 more.img",
    )?)?;
    ensure!(said.contains("the files that --include names go into the initramfs"), "{said}");
    ensure!(builder.is_lean("more.img", NOTES).is_err(), "/fstab was not seen");
    ensure!(!guests.iter().all(|module| host.contains(module)), "{host:?}");
    Ok(())
}

#[test]
fn a_build_that_lacks_something_fails_and_names_it() -> Result<()> {
    let no_tpm = format!("{COPY_MODULES} && sed --in-place /tpm/d $other/modules.builtin $other/modules.dep");
    let more = [
        Refusal { prepare: ":", kernel: "9.9.9", message: "Cannot find module directory /lib/modules/9.9.9" },
        Refusal {
            prepare: ":",
            kernel: "$KERNEL_6_1 --add-drivers nowhere",
            message: "Failed to find module 'nowhere'",
        },
        Refusal {
            prepare: &no_tpm,
            kernel: "6.1.0-other",
            message: "the kernel 6.1.0-other has no tpm_tis, no tpm_crb, no tpm_tis_spi, ",
        },
    ];
    refuses(&more, |Refusal { prepare, kernel, .. }| {
        installed(&format!("{prepare}\ndracut --modules measureroot x.img --kver {kernel}"))
    })
}

#[test]
fn a_test_runs_each_block_of_the_page() -> Result<()> {
    DocPage::open(DRACUT.page)?.has_only(&["apt-get", "dracut --add", "qemu-system-x86_64", "chain.json", "> expected"])
}
