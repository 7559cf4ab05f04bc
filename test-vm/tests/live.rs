//! Live media: those that `initramfs/installed/live` makes with the commands of docs/live.md, and those of other live systems,
//! with the parameters of those systems.

use test_vm::stopped_vm::DEFAULT_PCR;
use test_vm::{
    Bank, Bus, DocPage, Firmware, Image, LiveFolder, Medium, Place, Result, RootFs, SealChoice, Step, Vm, ensure,
};

/// The module that the guest's probe needs, and a boot that switches off if it fails.
const OPTIONS: &str = "--module virtio_console --append 'console=ttyS0 panic=1 measureroot.onfail=poweroff'";

/// Firmware boots the medium from this bus. The PCR is the one that `initramfs/installed/live` printed.
fn boots(options: &str, firmware: Firmware, bus: Bus, device: &str) -> Result<()> {
    boots_made("", options, firmware, bus, device)
}

/// The same. The commands `before` come before it in the shell.
fn boots_made(before: &str, options: &str, firmware: Firmware, bus: Bus, device: &str) -> Result<()> {
    let live = LiveFolder::new()?;
    let said = live.run(&format!("{before}initramfs/installed/live {OPTIONS} {options} root live.iso"))?;
    let predicted = live.predicted("live.iso.pcr")?;
    ensure!(said.ends_with(&std::fs::read_to_string(live.path("live.iso.pcr"))?), "{said}");
    let vm = Vm::started_by(firmware).large().disk_file(bus, live.path("live.iso"));
    let mut guest = vm.boots()?;
    guest.found_at(&Place::file_on(device, "/rootfs.squashfs"))?;
    let seal = guest.status()?.seal;
    ensure!(SealChoice::Ram.made(&seal) == options.contains("--toram"), "the seal is {seal:?}");
    let vm = guest.power_off()?;
    assert_eq!(vm.pcrs(DEFAULT_PCR)?, predicted);
    // GRUB measures the files that it reads into PCR 9 if UEFI started it, and not if a BIOS did.
    let is_measured = vm.pcrs(9)?.values().all(|value| value.bytes().any(|digit| digit != b'0'));
    ensure!(is_measured == (firmware == Firmware::Uefi), "{:?}", vm.pcrs(9)?);
    Ok(())
}

#[test]
fn a_bios_boots_a_cd_rom() -> Result<()> {
    boots("", Firmware::Bios, Bus::SataCdRom, "/dev/sr0")
}

#[test]
fn uefi_boots_a_cd_rom() -> Result<()> {
    boots("", Firmware::Uefi, Bus::SataCdRom, "/dev/sr0")
}

#[test]
fn a_bios_boots_a_usb_stick() -> Result<()> {
    boots("--toram --ram 1G", Firmware::Bios, Bus::Usb, "/dev/sda1")
}

#[test]
fn uefi_boots_a_usb_stick() -> Result<()> {
    boots("--label STICK", Firmware::Uefi, Bus::Usb, "/dev/sda1")
}

/// GRUB 2.12 has other modules than the 2.06 of this machine.
#[test]
fn uefi_boots_a_usb_stick_with_grub_of_debian_13() -> Result<()> {
    let modules = "mkdir grub
        ln -s /usr/lib/grub/i386-pc grub/i386-pc
        ln -s \"$0/target/test-vm/grub/13/usr/lib/grub/x86_64-efi\" grub/x86_64-efi
        test ! -e grub/x86_64-efi/linuxefi.mod
        export GRUB_FOLDER=$PWD/grub\n";
    boots_made(modules, "", Firmware::Uefi, Bus::Usb, "/dev/sda1")
}

/// A medium of another live system boots with the parameters of that system, which ask for a copy in RAM.
fn boots_with(parameters: &str, place: &Place) -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let medium = Image::holding(Medium::Iso, &image)?;
    let mut guest = Vm::new(parameters).disk_on(Bus::CdRom, &medium).boots()?;
    guest.is_sealed(SealChoice::Ram)?;
    guest.ends_measured_at(&image, place).map(drop)
}

#[test]
fn a_medium_of_dracut_boots() -> Result<()> {
    let parameters = "\"root=live:CDLABEL=A LIVE\" rd.live.image rd.live.ram=1 rd.overlay=1 rd.live.overlay.size=64";
    boots_with(parameters, &Place::file_on("/dev/sr0", "/LiveOS/squashfs.img"))
}

#[test]
fn a_medium_of_live_boot_boots() -> Result<()> {
    let place = Place::searched_on("/dev/sr0", "/live/filesystem.squashfs");
    boots_with("boot=live components toram nopersistence", &place)
}

#[test]
fn the_root_of_a_live_system_can_be_written_in_spite_of_ro() -> Result<()> {
    let medium = Image::holding(Medium::Iso, &Image::small(RootFs::Squashfs)?)?;
    let vm = Vm::new(r"root=live:LABEL=A\x20LIVE ro rd.live.image quiet").disk_on(Bus::CdRom, &medium);
    let mut guest = vm.boots()?;
    let options = guest.mount("/")?.options;
    ensure!(options.starts_with("rw,"), "{options}");
    guest.power_off().map(drop)
}

#[test]
fn an_overlay_that_keeps_its_writes_is_refused() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let failed = Vm::new("root=/dev/vda rd.live.overlay=/dev/vdb").disk(&image).fails()?;
    failed.at(Step::ReadCommandLine, "rd.live.overlay=/dev/vdb")
}

#[test]
fn the_same_input_gives_the_same_bytes() -> Result<()> {
    LiveFolder::new()?
        .run(
            "initramfs/installed/live root one.iso
             cp --archive root copy
             TZ=Asia/Tokyo umask 077
             initramfs/installed/live copy two.iso
             cmp one.iso two.iso && cmp one.iso.pcr two.iso.pcr
             echo changed >copy/etc/changed
             initramfs/installed/live copy three.iso
             ! cmp --quiet one.iso.pcr three.iso.pcr",
        )
        .map(drop)
}

#[test]
fn parameters_that_decide_the_pcr_count_in_the_prediction() -> Result<()> {
    let live = LiveFolder::new()?;
    let other = "'rootimgpcr=12 measureroot.format=meta-measured'";
    let said = live.run(&format!("initramfs/installed/live --append {other} root live.iso"))?;
    let pcr = std::fs::read_to_string(live.path("live.iso.pcr"))?;
    ensure!(said.ends_with(&pcr) && pcr.matches("12: 0x").count() == Bank::ALL.len(), "{said}");
    let said = live.refuses("initramfs/installed/live --append measureroot=off root off.iso")?;
    ensure!(said.contains("the boot does not measure the image as predicted: "), "{said}");
    ensure!(!live.path("off.iso").exists(), "it made a medium");
    Ok(())
}

#[test]
fn a_medium_that_could_not_boot_is_refused_with_a_hint() -> Result<()> {
    let live = LiveFolder::new()?;
    live.run("mkdir tools && for tool in /usr/bin/* /usr/sbin/*; do ln -sf $tool tools; done")?;
    let without = |tool: &str| {
        let (hide, show) = (format!("mv tools/{tool} hidden"), format!("mv hidden tools/{tool}"));
        format!(
            "{hide}; status=0; PATH=$PWD/tools $BASH initramfs/installed/live root a.iso || status=$?; {show}; exit $status"
        )
    };
    let table = [
        (without("mksquashfs"), "mksquashfs is missing: install the package squashfs-tools"),
        (without("xorriso"), "xorriso is missing: install the package xorriso"),
        (without("mformat"), "mformat is missing: install the package mtools"),
        (without("grub-mkimage"), "grub-mkimage is missing: install the package grub-common"),
        ("GRUB_FOLDER=/none initramfs/installed/live root a.iso".into(), "install the package grub-pc-bin"),
        (
            "initramfs/installed/live --agent /none root a.iso".into(),
            "/none is missing: install the package measureroot",
        ),
        ("initramfs/installed/live --agent /bin/ls root a.iso".into(), "/bin/ls is not the agent"),
        (
            "initramfs/installed/live --module no_such root a.iso".into(),
            "has no no_such, neither as a module nor built in",
        ),
        ("initramfs/installed/live --modules /tmp root a.iso".into(), "/tmp/modules.dep is missing"),
        ("initramfs/installed/live --kernel root/none root a.iso".into(), "root/none is not a file"),
        (
            "initramfs/installed/live --toram --ram 128M root a.iso".into(),
            "its copy needs a machine with 201M of RAM, not 128M",
        ),
        ("initramfs/installed/live --ram 1G root a.iso".into(), "--ram goes with --toram"),
        ("initramfs/installed/live --toram --ram much root a.iso".into(), "--ram much: write it as 2G or 512M"),
        ("initramfs/installed/live --label 'a b' root a.iso".into(), "--label a b: "),
        ("initramfs/installed/live --append 'a;b' root a.iso".into(), "--append a;b: "),
        (
            "initramfs/installed/live --append measureroot.sael=ram root a.iso".into(),
            "measureroot.sael=ram: unknown parameter",
        ),
        (
            "initramfs/installed/live --append overlayroot=/dev/sdb root a.iso".into(),
            "overlayroot=/dev/sdb: is not supported",
        ),
        ("initramfs/installed/live --append init=/none root a.iso".into(), "root has no /none"),
        ("initramfs/installed/live nowhere a.iso".into(), "nowhere is not a folder"),
        ("initramfs/installed/live root".into(), "initramfs/installed/live"),
        (
            "mv root/sbin/init root/sbin/other; initramfs/installed/live root a.iso".into(),
            "has no /sbin/init /etc/init /bin/init",
        ),
        (
            "mv root/sbin/other root/sbin/init; rm root/lib/modules/*; initramfs/installed/live root a.iso".into(),
            "name the folder",
        ),
        ("rm root/boot/*; initramfs/installed/live root a.iso".into(), "install a kernel there (linux-image-amd64)"),
    ];
    for (commands, part) in table {
        let said = live.refuses(&commands)?;
        ensure!(said.contains(part), "{commands}: not {part:?} but {said}");
        ensure!(!live.path("a.iso").exists(), "{commands}: it made a medium");
    }
    Ok(())
}

/// The page's commands. The root directory is the test's small one instead of a whole Debian. Those for QEMU and for the quote were tried
/// with Debian 12 and 13; tests/evidence_md.rs runs the same ones for another image.
#[test]
fn the_page_s_commands_work() -> Result<()> {
    let page = DocPage::open("docs/live.md")?;
    page.has_only(&[
        "mmdebstrap",
        "initramfs/installed/live",
        "qemu-system",
        "tpm2_pcrread",
        "predict",
        "attest",
        "verify",
    ])?;
    let live = LiveFolder::new()?;
    live.run(&page.block("initramfs/installed/live")?)?;
    let said = live.run(&page.block("predict")?)?;
    ensure!(std::fs::read_to_string(live.path("trusted.json"))?.contains("\"chain\""), "{said}");
    // First a machine that booted the medium, then one that did not.
    let mut values = live.predicted("live.iso.pcr")?;
    let value = values.remove(&Bank::Sha256).ok_or("no sha256")?.to_uppercase();
    let compare = page.block("tpm2_pcrread")?;
    let machine = |value: &str| format!("tpm2_pcrread() {{ printf '  sha256:\n    13: 0x{value}\n'; }}\n{compare}");
    assert_eq!(live.run(&machine(&value))?, "this is live.iso\n");
    live.refuses(&machine(&"0".repeat(64))).map(drop)
}
