//! Disks and media as machines have them: empty drives, disks that die, sticks that Windows renamed, journals that nobody replayed.

use serde_json::json;
use test_vm::machine::Machine;
use test_vm::{Bus, Image, Kernel, Medium, PackedInitramfs, Place, Result, RootFs, SealChoice, Step, Vm, ensure};

/// The path of the small squashfs on the media.
const FILE: &str = "/images/root.squashfs";

/// Plugs in a drive without a medium, as /dev/sr0.
fn plug_empty_drive(machine: &mut Machine) -> Result<()> {
    machine.monitor("device_add", &json!({ "driver": "scsi-cd", "bus": "scsi.0", "id": "cd" })).map(drop)
}

/// Puts a medium into the drive.
fn insert(machine: &mut Machine, medium: &Image) -> Result<()> {
    let file = json!({ "driver": "file", "filename": medium.path(), "read-only": true });
    let node = json!({ "node-name": "iso", "driver": "raw", "read-only": true, "file": file });
    machine.monitor("blockdev-add", &node)?;
    machine.monitor("blockdev-open-tray", &json!({ "id": "cd", "force": true }))?;
    machine.monitor("blockdev-insert-medium", &json!({ "id": "cd", "node-name": "iso" }))?;
    machine.monitor("blockdev-close-tray", &json!({ "id": "cd" })).map(drop)
}

/// The drive is there from the start, its medium is not.
fn boots_from_a_drive_that_is_empty_at_first(parameters: &str, place: &Place) -> Result<()> {
    let (medium, image) = (Image::medium(Medium::Iso)?, Image::small(RootFs::Squashfs)?);
    let mut machine = Vm::new(parameters).start()?;
    plug_empty_drive(&mut machine)?;
    // The kernel knows the drive. What the agent says before is that there is none.
    machine.says("[sr0]")?;
    machine.says("/dev/sr0: cannot be read yet")?;
    insert(&mut machine, &medium)?;
    machine.booted()?.ends_measured_at(&image, place).map(drop)
}

#[test]
fn a_drive_that_is_empty_at_first_boots_by_its_node() -> Result<()> {
    let place = Place::file_on("/dev/sr0", FILE);
    boots_from_a_drive_that_is_empty_at_first(&format!("root=/dev/sr0 rootimg={FILE}"), &place)
}

#[test]
fn a_drive_that_is_empty_at_first_is_searched_when_it_has_a_medium() -> Result<()> {
    let place = Place::searched_on("/dev/sr0", FILE);
    boots_from_a_drive_that_is_empty_at_first(&format!("rootimg={FILE}"), &place)
}

/// Plugs in a disk that reads one byte a second, as /dev/vda.
fn plug_dying_disk(machine: &mut Machine, disk: &Image) -> Result<()> {
    let limits = json!({ "bps-read": 1 });
    machine.monitor("object-add", &json!({ "qom-type": "throttle-group", "id": "dying", "limits": limits }))?;
    let raw = json!({ "driver": "raw", "file": { "driver": "file", "filename": disk.path() } });
    let node = json!({ "node-name": "late", "driver": "throttle", "throttle-group": "dying", "file": raw });
    machine.monitor("blockdev-add", &node)?;
    machine.monitor("device_add", &json!({ "driver": "virtio-blk-pci", "drive": "late", "bus": "late" }))?;
    // The kernel knows the disk.
    machine.says("[vda]")
}

/// The boot goes on without the disk that hangs, and starts the init although a process still waits for that disk.
fn boots_beside_a_dying_disk(parameters: &str) -> Result<()> {
    let (medium, image) = (Image::medium(Medium::Iso)?, Image::small(RootFs::Squashfs)?);
    let dying = image.on_disk_of(64 << 20)?;
    let mut machine = Vm::new(parameters).start()?;
    machine.reaches(Step::WaitForDevices)?;
    plug_empty_drive(&mut machine)?;
    plug_dying_disk(&mut machine, &dying)?;
    insert(&mut machine, &medium)?;
    machine.says("vda: does not answer, and is left out")?;
    // Not until the end: the kernel waits for the disk before it switches the machine off.
    machine.booted()?.measured(&image).map(drop)
}

#[test]
fn a_disk_that_hangs_does_not_hold_up_the_medium_with_the_label() -> Result<()> {
    boots_beside_a_dying_disk(&format!("root=LABEL=MEDIUM_CD rootimg={FILE}"))
}

#[test]
fn a_disk_that_hangs_does_not_hold_up_the_search() -> Result<()> {
    boots_beside_a_dying_disk(&format!("rootimg={FILE}"))
}

#[test]
fn a_disk_that_hangs_is_named_when_the_time_is_over() -> Result<()> {
    let dying = Image::small(RootFs::Squashfs)?.on_disk_of(64 << 20)?;
    let mut machine = Vm::new("root=LABEL=nowhere measureroot.timeout=15").start()?;
    machine.reaches(Step::WaitForDevices)?;
    plug_dying_disk(&mut machine, &dying)?;
    machine.says("FAILED at step \"wait for devices\": LABEL=nowhere: did not appear in 15 s (the block devices are: vda (does not answer)")
}

/// The stick is a hybrid ISO: the disk and its first partition have the same label and files.
#[test]
fn other_partitions_of_a_hybrid_stick_can_be_mounted() -> Result<()> {
    let make = "truncate -s 8M data && /usr/sbin/mke2fs -q -t ext4 data && \
                xorriso -as mkisofs -quiet -R -V A_STICK -partition_offset 16 -append_partition 2 0x83 data -o made tree";
    let image = Image::with_busybox()?;
    let stick = Image::around(&image, make)?;
    // The image has no modules of its own.
    for (parameters, place) in [
        ("root=LABEL=A_STICK rootimg=/image", Place::file_on("/dev/vda1", "/image")),
        ("rootimg=/image", Place::searched_on("/dev/vda1", "/image")),
    ] {
        let mut guest = Vm::new(parameters).with("modules_load=ext4").disk(&stick).boots()?;
        guest.run(&["/busybox", "mount", "-t", "ext4", "/dev/vda2", "/mnt"])?;
        guest.ends_measured_at(&image, &place)?;
    }
    Ok(())
}

/// Windows writes only the label in the root folder.
#[test]
fn a_fat_is_found_by_the_label_in_its_root_folder() -> Result<()> {
    let make = "truncate -s 32M made && /usr/sbin/mkfs.vfat -n MYSTICK made && mcopy -i made tree/image :: && \
                printf 'OLD NAME   ' | dd of=made bs=1 seek=43 conv=notrunc status=none";
    let image = Image::small(RootFs::Squashfs)?;
    let stick = Image::around(&image, make)?;
    let vm = Vm::new("root=LABEL=MYSTICK rootimg=/image").disk(&stick);
    vm.boots()?.ends_measured_at(&image, &Place::file_on("/dev/vda", "/image")).map(drop)
}

/// An ext4 after a power cut: only the journal has the folder with the name `image`. Until it is replayed, the file is `other`.
fn cut_off() -> Result<Image> {
    let make = "mv tree/image tree/other && /usr/sbin/mke2fs -q -t ext4 -b 4096 -O ^metadata_csum -L MEDIUM -d tree made 32M && \
                block=$(/usr/sbin/debugfs -R 'blocks /' made | tr -d ' ') && \
                dd if=made of=folder bs=4096 skip=\"$block\" count=1 status=none && sed -i s/other/image/ folder && \
                printf 'journal_open\\njournal_write -b %s folder\\njournal_close\\n' \"$block\" >commands && \
                /usr/sbin/debugfs -w -f commands made";
    Image::around(&Image::small(RootFs::Squashfs)?, make)
}

#[test]
fn the_journal_of_a_medium_is_replayed() -> Result<()> {
    let (image, disk) = (Image::small(RootFs::Squashfs)?, cut_off()?);
    let vm = Vm::new("root=LABEL=MEDIUM rootimg=/image").disk(&disk);
    vm.boots()?.ends_measured_at(&image, &Place::file_on("/dev/vda", "/image")).map(drop)
}

/// A disk that reads and writes 512 KiB a second needs some 30 seconds for the journal. measureroot.timeout= is shorter.
#[test]
fn the_journal_of_a_slow_medium_is_replayed_however_long_it_takes() -> Result<()> {
    let make = "/usr/sbin/mke2fs -q -t ext4 -b 4096 -O ^metadata_csum -J size=16 -L MEDIUM -d tree made 64M && \
                head -c 8M /dev/urandom >blocks && \
                printf 'journal_open\\njournal_write -b 14000-16047 blocks\\njournal_close\\n' >commands && \
                /usr/sbin/debugfs -w -f commands made";
    let image = Image::small(RootFs::Squashfs)?;
    let disk = Image::around(&image, make)?;
    let mut machine = Vm::new("root=LABEL=MEDIUM rootimg=/image measureroot.timeout=10").large().start()?;
    let limits = json!({ "bps-total": 512 << 10 });
    machine.monitor("object-add", &json!({ "qom-type": "throttle-group", "id": "slow", "limits": limits }))?;
    let raw = json!({ "driver": "raw", "file": { "driver": "file", "filename": disk.path() } });
    let node = json!({ "node-name": "late", "driver": "throttle", "throttle-group": "slow", "file": raw });
    machine.monitor("blockdev-add", &node)?;
    machine.monitor("device_add", &json!({ "driver": "virtio-blk-pci", "drive": "late", "bus": "late" }))?;
    machine.says("/dev/vda: reads and writes for 10 s")?;
    machine.booted()?.ends_measured_at(&image, &Place::file_on("/dev/vda", "/image")).map(drop)
}

#[test]
fn the_journal_of_a_write_protected_medium_is_named() -> Result<()> {
    let disk = cut_off()?;
    let mut machine = Vm::new("root=LABEL=MEDIUM rootimg=/image").start()?;
    machine.plug(&disk)?;
    let failed = machine.failed()?;
    failed.at(Step::FindImage, "/image")?;
    failed.because(&["no such file", "its journal was not replayed", "write-protected"])
}

/// It may be the disk of a system that hibernates.
#[test]
fn a_search_replays_no_journal_and_names_it() -> Result<()> {
    let failed = Vm::new("rootimg=/image measureroot.timeout=2").disk(&cut_off()?).fails()?;
    failed.at(Step::FindImage, "/image")?;
    failed.because(&["no such file", "its journal was not replayed", "root="])
}

#[test]
fn an_ext4_whose_blocks_are_smaller_than_the_sectors_is_named() -> Result<()> {
    let make = "/usr/sbin/mke2fs -q -t ext4 -b 1024 -d tree made 32M";
    let medium = Image::around(&Image::small(RootFs::Squashfs)?, make)?;
    let failed = Vm::new("root=/dev/vda rootimg=/image").disk_on(Bus::Virtio4096, &medium).fails()?;
    failed.at(Step::FindImage, "/dev/vda")?;
    failed.because(&["1024", "4096"])
}

/// The booted system finds the medium, and can write to it after the command that docs/parameters.md names.
#[test]
fn the_medium_stays_mounted_where_people_find_it() -> Result<()> {
    let image = Image::with_busybox()?;
    let medium = Image::holding(Medium::Vfat, &image)?;
    let mut guest = Vm::new("root=/dev/vda rootimg=/image").disk(&medium).boots()?;
    let mount = guest.mount("/run/initramfs/medium")?;
    ensure!(mount.source == "/dev/vda" && mount.kind == "vfat", "{mount:?}");
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        ensure!(mount.options.split(',').any(|has| has == option), "no {option} in {mount:?}");
    }
    guest.run(&["/busybox", "mount", "-o", "remount,rw", "/run/initramfs/medium"])?;
    guest.write("/run/initramfs/medium/note", "written")?;
    guest.ends_measured(&image).map(drop)
}

#[test]
fn the_medium_of_a_copy_is_unmounted() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let medium = Image::holding(Medium::Vfat, &image)?;
    let mut guest = Vm::new("root=/dev/vda rootimg=/image").seal(SealChoice::Ram).disk(&medium).boots()?;
    let mounts = guest.read("/proc/self/mountinfo")?;
    ensure!(!mounts.contains("/dev/vda"), "{mounts}");
    guest.ends_measured(&image).map(drop)
}

#[test]
fn a_second_medium_with_the_file_is_named() -> Result<()> {
    let (first, image) = (Image::medium(Medium::Vfat)?, Image::small(RootFs::Squashfs)?);
    let vm = Vm::new(&format!("rootimg={FILE}")).disk(&first).disk(&Image::medium(Medium::Squashfs)?);
    let stopped = vm.boots()?.ends_measured_at(&image, &Place::searched_on("/dev/vda", FILE))?;
    stopped.says(&["found on vda, vdb; vda is used"])
}

/// The message fits into one record of the kernel's log (1024 bytes; kernel, kernel/printk/printk.c: PRINTKRB_RECORD_MAX).
#[test]
fn a_search_among_ten_devices_that_fails_is_said() -> Result<()> {
    let make = "truncate -s 64M made && (echo label: gpt; for i in 1 2 3 4 5 6 7 8 9; do echo size=1M; done) | \
                /usr/sbin/sfdisk --quiet made";
    let disk = Image::around(&Image::small(RootFs::Squashfs)?, make)?;
    let failed = Vm::new("rootimg=/nowhere measureroot.timeout=2").disk(&disk).fails()?;
    failed.at(Step::FindImage, "/nowhere")?;
    failed.because(&["vda, vda1, vda2", "no known file system"])
}

/// QEMU imitates these controllers of servers and virtual machines, and the list of the builders names their drivers. The medium is
/// behind one of them, and the image without a medium behind each of the others.
#[test]
fn a_disk_behind_a_controller_of_servers_is_found() -> Result<()> {
    const CONTROLLERS: [(&str, &str); 4] =
        [("lsi53c895a", "sym53c8xx"), ("pvscsi", "vmw_pvscsi"), ("mptsas1068", "mptsas"), ("megasas", "megaraid_sas")];
    let (medium, image) = (Image::medium(Medium::Ext4)?, Image::small(RootFs::Squashfs)?);
    let initramfs = PackedInitramfs::as_builders_do(Kernel::Pc)?;
    let mut vm = Vm::new(&format!("rootimg={FILE}")).kernel(Kernel::Pc).initramfs(initramfs.file()).large();
    for (controller, module) in CONTROLLERS {
        vm = vm.disk_on(Bus::Controller(controller), if module == "megaraid_sas" { &medium } else { &image });
    }
    let mut guest = vm.boots()?;
    let loaded = guest.list("/sys/module")?;
    let has = |name: &str| loaded.iter().any(|module| module == name);
    for (_, module) in CONTROLLERS {
        ensure!(has(module), "no {module}: {loaded:?}");
    }
    guest.ends_measured(&image).map(drop)
}
