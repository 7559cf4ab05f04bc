//! `measureroot verify` of real quotes: a machine boots what its list expects and is trusted. Then one thing is another, each alone, and
//! the verdict names it. These are nine of ten alterations; the tenth is another shim, in `chain_shim.rs`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use test_vm::evidence::Verdict;
use test_vm::scratch::Scratch;
use test_vm::signed::signed;
use test_vm::{Bank, Bus, Evidence, Firmware, Image, Kernel, Result, RootFs, Vm, image, qemu, uki};

const CMDLINE: &str = "root=/dev/vdb console=ttyS0 panic=1 measureroot.onfail=poweroff";
const LOADER: &str = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi";
const PROGRAM: &str = "EFI/BOOT/BOOTX64.EFI";
const ENTRY: &str = "loader/entries/debian.conf";

/// What a machine boots.
#[derive(Clone)]
struct Machine<'a> {
    esp: &'a Path,
    firmware: Firmware,
    image: &'a Image,
    variables: Option<PathBuf>,
    another_disk: bool,
}

impl<'a> Machine<'a> {
    fn new(esp: &'a Path, firmware: Firmware, image: &'a Image) -> Self {
        Self { esp, firmware, image, variables: None, another_disk: false }
    }

    /// Boots, and gives its evidence.
    fn boots(&self) -> Result<Evidence> {
        let scratch = Scratch::new()?;
        let disk = uki::disk(self.esp, &["-i", "1234ABCD"], &scratch)?;
        let mut vm = Vm::started_by(self.firmware).large().disk_file(Bus::Virtio, disk).disk(self.image);
        if self.another_disk {
            vm = vm.disk_on(Bus::Sata, self.image);
        }
        vm.variables.clone_from(&self.variables);
        Evidence::of(vm.boots()?)
    }

    /// Boots, and makes the list that trusts such a boot. It must trust this one.
    fn is_trusted(&self, scratch: &Scratch) -> Result<PathBuf> {
        let (list, evidence) = (scratch.path("trusted.json"), self.boots()?);
        let options = ["--esp".as_ref(), self.esp, "--like".as_ref(), &evidence.log()];
        evidence.is_trusted(&options, self.image.path(), &list)?;
        Ok(list)
    }

    /// Boots, is not trusted, and the verdict has these words.
    fn is_refused(&self, list: &Path, words: &str) -> Result<Verdict> {
        let verdict = self.boots().and_then(|evidence| evidence.judged(list));
        let is_against = |verdict: Verdict| verdict.is_against(words).map(|()| verdict);
        Ok(verdict.and_then(is_against).map_err(|cause| format!("{words}: {cause}"))?)
    }
}

/// A copy of a program with more bytes behind it. Debian's kernels have a signature there, and osslsigncode 2.5 signs no program with
/// bytes behind one.
fn longer(program: &Path, scratch: &Scratch) -> Result<PathBuf> {
    let name = program.file_name().ok_or("a program has a name")?.display();
    let [copy, longer] = ["copy", "longer"].map(|kind| scratch.path(&format!("{kind}.{name}")));
    fs::copy(program, &copy)?;
    // sbattach removes one signature, and fails if there is none.
    let unsigned = signed(&copy, scratch)?;
    uki::run("sbattach", ["--remove".as_ref(), unsigned.as_os_str()])?;
    fs::write(&longer, [fs::read(unsigned)?, vec![1; 8]].concat())?;
    Ok(longer)
}

/// Changes a file, works, and restores it.
fn with(file: &Path, content: &[u8], work: impl FnOnce() -> Result<Verdict>) -> Result<()> {
    let before = fs::read(file)?;
    fs::write(file, content)?;
    work()?;
    Ok(fs::write(file, before)?)
}

/// The variables for Secure Boot. The owner of the key in db is another one.
fn variables_with_another_db(scratch: &Scratch) -> Result<PathBuf> {
    let mut bytes = fs::read(qemu::secure_boot_variables())?;
    // The name, and the type of a list of certificates (UEFI 2.10, section 32.4.1). The owner follows that type and three lengths.
    let start = [&b"d\0b\0\0\0"[..], &[0xA1, 0x59, 0xC0, 0xA5, 0xE4, 0x94]].concat();
    let at = bytes.windows(start.len()).position(|part| part == start).ok_or("the variables have no db")?;
    bytes[at + 6 + 28] ^= 1;
    let file = scratch.path("variables");
    fs::write(&file, bytes)?;
    Ok(file)
}

#[test]
fn what_differs_of_a_menu_is_named() -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = scratch.path("esp");
    for folder in ["EFI/BOOT", "debian", "loader/entries"] {
        fs::create_dir_all(esp.join(folder))?;
    }
    let (kernel, initrd) = (Kernel::V6_12.image()?, fs::read(Kernel::V6_12.initramfs()?)?);
    fs::copy(signed(Path::new(LOADER), &scratch)?, esp.join(PROGRAM))?;
    fs::copy(signed(&kernel, &scratch)?, esp.join("debian/vmlinuz"))?;
    fs::write(esp.join("debian/initrd.img"), &initrd)?;
    let entry = format!("linux /debian/vmlinuz\ninitrd /debian/initrd.img\noptions {CMDLINE}");
    fs::write(esp.join(ENTRY), &entry)?;
    let image = Image::small(RootFs::Squashfs)?;
    let good = Machine::new(&esp, Firmware::SecureBoot, &image);
    let list = good.is_trusted(&scratch)?;

    // A boot option more.
    Machine { another_disk: true, ..good.clone() }.is_refused(&list, "(BootOrder: ")?;
    // The list has digests alone, so the image has no file for it: the verdict has its digest, and its place on the machine.
    let changed = image.flipped(image::SQUASHFS_TIME)?;
    let verdict =
        Machine { image: &changed, ..good.clone() }.is_refused(&list, "an image was booted that is not known")?;
    let digest = Bank::Sha256.of_file(changed.path())?;
    verdict.says(&[&format!(
        "PCR 13 was extended with sha256 {digest}; the log claims: EV_EVENT_TAG: image, /dev/vdb, "
    )])?;
    for (file, program, words) in [
        ("debian/vmlinuz", kernel.as_path(), "PCR 4: debian/vmlinuz (the kernel) differs: expected sha256 "),
        (PROGRAM, Path::new(LOADER), "PCR 4: EFI/BOOT/BOOTX64.EFI (systemd-boot 252"),
    ] {
        let another = fs::read(signed(&longer(program, &scratch)?, &scratch)?)?;
        with(&esp.join(file), &another, || good.is_refused(&list, words))?;
    }
    let longer = [&initrd[..], &[0; 512]].concat();
    with(&esp.join("debian/initrd.img"), &longer, || {
        good.is_refused(&list, "PCR 9: debian/initrd.img (the initrd) differs: expected sha256 ")
    })?;
    with(&esp.join(ENTRY), format!("{entry} quiet").as_bytes(), || {
        let words = "PCR 9, 12: the command line (loader/entries/debian.conf) has \"quiet\" added";
        good.is_refused(&list, words)
    })?;
    let variables = Some(variables_with_another_db(&scratch)?);
    Machine { variables, ..good }.is_refused(&list, "PCR 7: log, event 7 (db: 1 certificate) differs: ").map(drop)
}

#[test]
fn another_os_release_in_an_image_is_named() -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = scratch.path("esp");
    fs::create_dir_all(esp.join("EFI/BOOT"))?;
    fs::copy(uki::made(&scratch, "measured", CMDLINE)?, esp.join(PROGRAM))?;
    let image = Image::small(RootFs::Squashfs)?;
    let good = Machine::new(&esp, Firmware::Uefi, &image);
    let list = good.is_trusted(&scratch)?;
    let release = scratch.path("os-release");
    fs::write(&release, "ID=tast\n")?;
    let update = format!(".osrel={}", release.display());
    uki::run("objcopy", ["--update-section".as_ref(), update.as_ref(), esp.join(PROGRAM).as_os_str()])?;
    good.is_refused(&list, "EFI/BOOT/BOOTX64.EFI, .osrel (the content of .osrel) differs: expected sha256 ").map(drop)
}

#[test]
fn another_grub_configuration_is_named() -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = scratch.path("esp");
    for folder in ["EFI/BOOT", "debian", "boot/grub"] {
        fs::create_dir_all(esp.join(folder))?;
    }
    fs::copy(Kernel::V6_12.image()?, esp.join("debian/vmlinuz"))?;
    fs::copy(Kernel::V6_12.initramfs()?, esp.join("debian/initrd.img"))?;
    let (early, program, grub_cfg) = (scratch.path("early.cfg"), esp.join(PROGRAM), esp.join("boot/grub/grub.cfg"));
    fs::write(&early, "search --no-floppy --set=root --file /debian/vmlinuz\nset prefix=($root)/boot/grub\n")?;
    let config = format!(
        "set timeout=0\nmenuentry one {{\n  linuxefi /debian/vmlinuz {CMDLINE}\n  initrdefi /debian/initrd.img\n}}\n"
    );
    fs::write(&grub_cfg, &config)?;
    let options = ["--directory=/usr/lib/grub/x86_64-efi", "--format=x86_64-efi", "--prefix=/boot/grub"];
    let modules = "fat linuxefi tpm normal configfile search search_fs_file part_gpt part_msdos".split(' ');
    let files = ["--config".as_ref(), early.as_os_str(), "--output".as_ref(), program.as_os_str()];
    uki::run("grub-mkimage", options.map(OsStr::new).into_iter().chain(files).chain(modules.map(OsStr::new)))?;
    let image = Image::small(RootFs::Squashfs)?;
    let good = Machine::new(&esp, Firmware::Uefi, &image);
    let list = good.is_trusted(&scratch)?;
    with(&grub_cfg, format!("{config}# another\n").as_bytes(), || {
        good.is_refused(&list, "PCR 9: boot/grub/grub.cfg (the configuration) differs: expected sha256 ")
    })
}
