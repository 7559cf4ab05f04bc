//! `measureroot predict --esp`: OVMF starts GRUB, which starts the kernel, and the TPM holds what was predicted.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use test_vm::predict::Chain;
use test_vm::scratch::Scratch;
use test_vm::stopped_vm::StoppedVm;
use test_vm::{Bus, Firmware, Image, Kernel, LiveFolder, Result, RootFs, Vm, predict, uki};

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
/// The PCRs that follow.
const FOLLOW: [u8; 6] = [4, 8, 9, 11, 12, 14];

/// The TPM holds what was predicted of one boot.
fn holds(vm: &StoppedVm, chain: &Chain) -> Result<()> {
    assert_eq!(chain.keys().copied().collect::<Vec<_>>(), FOLLOW);
    predict::holds(vm, chain)
}

/// OVMF starts GRUB of a disk with these files, and GRUB starts the entry of this number.
fn boots_as_predicted(esp: &Path, entry: usize, scratch: &Scratch) -> Result<()> {
    let menu = predict::menu(esp)?;
    let disk = uki::disk(esp, &["-n", "BOOT", "-i", "1234ABCD"], scratch)?;
    let vm = Vm::uefi().large().disk_file(Bus::Virtio, disk).disk(&Image::small(RootFs::Squashfs)?);
    holds(&vm.boots()?.power_off()?, &menu[entry])
}

/// A folder with a kernel, and an initrd in two files: a kernel skips zeros between archives.
fn files(scratch: &Scratch) -> Result<std::path::PathBuf> {
    let esp = scratch.path("esp");
    for folder in ["EFI/BOOT", "boot/grub/x86_64-efi", "debian"] {
        fs::create_dir_all(esp.join(folder))?;
    }
    fs::copy(Kernel::V6_12.image()?, esp.join("debian/vmlinuz"))?;
    fs::copy(Kernel::V6_12.initramfs()?, esp.join("debian/initrd"))?;
    fs::write(esp.join("debian/first"), "\0".repeat(5))?;
    Ok(esp)
}

#[test]
fn a_live_medium_is_measured_as_predicted() -> Result<()> {
    let live = LiveFolder::new()?;
    live.run(
        "initramfs/installed/live --module virtio_console --append 'console=ttyS0 panic=1 measureroot.onfail=poweroff' root live.iso
         xorriso -osirrox on -indev live.iso -extract / esp >/dev/null 2>&1
         chmod -R u+w esp
         xorriso -osirrox on -indev live.iso -extract_boot_images images >/dev/null 2>&1
         mcopy -s -i images/*efi*.img ::/EFI esp",
    )?;
    let menu = predict::menu(&live.path("esp"))?;
    // The medium comes with the prediction, of the root image, too.
    let [chain] = &predict::boots(&fs::read_to_string(live.path("live.iso.chain.json"))?)?[..] else {
        return Err("the medium has one boot".into());
    };
    let (_, started): (Chain, Chain) = chain.clone().into_iter().partition(|(pcr, _)| *pcr == 13);
    for bus in [Bus::SataCdRom, Bus::Usb] {
        let vm = Vm::started_by(Firmware::Uefi).large().disk_file(bus, live.path("live.iso"));
        let vm = vm.boots()?.power_off()?;
        holds(&vm, &menu[0]).map_err(|error| format!("{bus:?}: {error}"))?;
        assert_eq!(predict::answers(&chain[&13], &vm.pcrs(13)?, 13)?, <&[String]>::default());
        holds(&vm, &started)?;
    }
    Ok(())
}

#[test]
fn modules_and_files_of_the_disk_are_measured_as_predicted() -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = files(&scratch)?;
    let modules = "/usr/lib/grub/x86_64-efi";
    let early = scratch.path("early.cfg");
    fs::write(&early, "search --no-floppy --set=root --file /debian/first\nset prefix=($root)/boot/grub\n")?;
    let program = esp.join("EFI/BOOT/BOOTX64.EFI");
    let options = ["--directory", modules, "--format", "x86_64-efi", "--prefix", "/boot/grub", "--config"];
    let embedded = "fat linuxefi tpm normal configfile search search_fs_file part_gpt part_msdos".split(' ');
    let arguments = options.into_iter().map(OsStr::new).chain([early.as_ref(), "--output".as_ref(), program.as_ref()]);
    uki::run("grub-mkimage", arguments.chain(embedded.map(OsStr::new)))?;
    for name in ["echo.mod", "test.mod", "true.mod", "regexp.mod", "command.lst", "fs.lst", "terminal.lst"] {
        fs::copy(Path::new(modules).join(name), esp.join("boot/grub/x86_64-efi").join(name))?;
    }
    fs::write(esp.join("boot/grub/more.cfg"), "set more=\"a b\"\n")?;
    let config = format!(
        "# A comment.\nset timeout=0\n  # Another.\nset default=two\nx=1\ninsmod part_gpt\ninsmod none\n\
         if [ -f /debian/first -a -s /debian/first ]; then\n  set y='a b'\nfi\nsource /boot/grub/more.cfg\n\
         if ! search --no-floppy --fs-uuid --set=other 1234-ABCD; then echo none; fi\n\
         menuentry one {{ true; }}\nmenuentry 'My \"two\"' --class debian --id two {{\n\t# inner\n\n\techo\t\"$more\" $more\n\
         # column zero\n\tlinuxefi  /debian/vmlinuz {CMDLINE} \"a b\" q\\'c\n\
         \tif [ \"$x\" = 1 ]; then initrdefi /debian/first /debian/initrd; else\n  echo no; fi\n}}\n"
    );
    fs::write(esp.join("boot/grub/grub.cfg"), config)?;
    boots_as_predicted(&esp, 1, &scratch)
}

#[test]
fn an_image_of_grub_mkstandalone_is_measured_as_predicted() -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = files(&scratch)?;
    let config = scratch.path("grub.cfg");
    let text = format!(
        "function pick {{\n  set which=\"$1\"\n}}\nsearch --no-floppy --file --set=root /debian/vmlinuz\npick 'sub>deep'\n\
         if [ -n \"$which\" -a ! -f /none ]; then\n  set default=\"$which\"\nfi\nset timeout=1\n\
         submenu 'Sub' --id=sub {{\n  menuentry 'Deep' --id deep {{\n    linux /debian/vmlinuz {CMDLINE} chosen=$chosen\n    \
         initrd /debian/first \\\n      /debian/initrd\n    boot\n  }}\n}}\n"
    );
    fs::write(&config, text)?;
    let program = esp.join("EFI/BOOT/BOOTX64.EFI");
    let put = format!("boot/grub/grub.cfg={}", config.display());
    let options = ["--format=x86_64-efi", "--modules=tpm", "--output"].map(OsStr::new);
    uki::run("grub-mkstandalone", [&options[..], &[program.as_ref(), put.as_ref()]].concat())?;
    boots_as_predicted(&esp, 0, &scratch)
}
