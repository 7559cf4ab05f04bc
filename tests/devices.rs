//! The search for the device that `root=` names. The devices are files, and sysfs is a folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{run, run_with};
use measureroot::internal::media::{DeviceLookup, DeviceName, Devices, Wait, partition_table};

/// A disk `vda`. sfdisk makes its partition table, of this kind, with two partitions.
fn disk(folder: &Path, label: &str) -> Devices {
    let devices = Devices { sysfs: folder.join("class"), nodes: folder.join("dev") };
    let disk = folder.join("devices/vda");
    for path in [&devices.sysfs, &devices.nodes, &disk.join("queue"), &disk.join("vda1"), &disk.join("vda2")] {
        fs::create_dir_all(path).unwrap();
    }
    fs::write(disk.join("uevent"), "MAJOR=254\nDEVNAME=vda\nDEVTYPE=disk\n").unwrap();
    fs::write(disk.join("queue/logical_block_size"), "512\n").unwrap();
    for (number, name) in [(1, "first"), (2, "second part")] {
        let part = format!("vda{number}");
        let uevent = format!("DEVNAME={part}\nDEVTYPE=partition\nPARTN={number}\nPARTNAME={name}\n");
        fs::write(disk.join(&part).join("uevent"), uevent).unwrap();
        symlink(disk.join(&part), devices.sysfs.join(&part)).unwrap();
        run("/sbin/mke2fs", &["-q", "-L", name, devices.nodes.join(&part).to_str().unwrap(), "500"]);
    }
    symlink(&disk, devices.sysfs.join("vda")).unwrap();
    let node = devices.nodes.join("vda");
    File::create(&node).unwrap().set_len(8 << 20).unwrap();
    let script = format!("label: {label}\nsize=2MiB\nsize=2MiB\n");
    run_with("/sbin/sfdisk", &["--quiet", node.to_str().unwrap()], &script);
    devices
}

/// The device that is found within a second.
fn find(devices: &Devices, name: &DeviceName) -> Option<PathBuf> {
    let mut lookup = DeviceLookup::new(devices, name);
    Wait::at_most(Duration::from_secs(1)).until_found(|| lookup.look()).unwrap()
}

#[test]
fn each_form_of_name_leads_to_its_device() {
    let folder = tempfile::tempdir().unwrap();
    let devices = disk(folder.path(), "gpt");
    let node = |name: &str| devices.nodes.join(name);
    let uuid = run("/sbin/blkid", &["-p", "-o", "value", "-s", "UUID", node("vda2").to_str().unwrap()]);
    let part_uuid = run("/sbin/sfdisk", &["--part-uuid", node("vda").to_str().unwrap(), "2"]);
    let table = [
        (DeviceName::Label("first".into()), Some("vda1")),
        (DeviceName::Label("second part".into()), Some("vda2")),
        (DeviceName::Label("third".into()), None),
        (DeviceName::Uuid(uuid.to_uppercase()), Some("vda2")),
        (DeviceName::PartLabel("second part".into()), Some("vda2")),
        (DeviceName::PartLabel("second".into()), None),
        (DeviceName::PartUuid(part_uuid.clone()), Some("vda2")),
        (DeviceName::PartUuid(part_uuid.to_uppercase()), Some("vda2")),
        (DeviceName::PartUuid("no".into()), None),
        (DeviceName::Node(node("vda1").to_str().unwrap().into()), Some("vda1")),
        (DeviceName::Node(node("vdb").to_str().unwrap().into()), None),
    ];
    for (name, wanted) in table {
        assert_eq!(find(&devices, &name), wanted.map(node), "{name}");
    }
}

#[test]
fn a_partition_is_preferred_to_its_disk() {
    let folder = tempfile::tempdir().unwrap();
    let devices = disk(folder.path(), "dos");
    for device in ["vda", "vda2"] {
        run("/sbin/mke2fs", &["-q", "-F", "-L", "both", devices.nodes.join(device).to_str().unwrap(), "500"]);
    }
    assert_eq!(find(&devices, &DeviceName::Label("both".into())), Some(devices.nodes.join("vda2")));
}

/// A FIFO that nobody writes to has no bytes yet, as a drive without a medium.
#[test]
fn a_device_that_cannot_be_read_holds_up_no_other_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let devices = disk(folder.path(), "gpt");
    let fifo = devices.nodes.join("vda1");
    fs::remove_file(&fifo).unwrap();
    run("mkfifo", &[fifo.to_str().unwrap()]);
    let _keeps_it_open = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let name = DeviceName::Label("second part".into());
    let mut lookup = DeviceLookup::new(&devices, &name);
    let found = Wait::at_most(Duration::from_secs(20)).until_found(|| lookup.look()).unwrap();
    assert_eq!(found, Some(devices.nodes.join("vda2")));
    let text = lookup.describe().unwrap();
    assert!(text.starts_with("vda, vda1 (") && text.ends_with("), vda2"), "{text}");
}

#[test]
fn a_device_is_there_when_its_first_bytes_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let devices = disk(folder.path(), "gpt");
    let node = devices.nodes.join("vda1");
    let bytes = fs::read(&node).unwrap();
    fs::write(&node, "").unwrap();
    let name = DeviceName::Node(node.to_str().unwrap().into());
    let mut lookup = DeviceLookup::new(&devices, &name);
    assert_eq!(Wait::at_most(Duration::from_millis(200)).until_found(|| lookup.look()).unwrap(), None);
    assert_eq!(lookup.describe().unwrap(), "vda, vda1 (empty), vda2");
    fs::write(&node, bytes).unwrap();
    assert_eq!(Wait::at_most(Duration::from_secs(20)).until_found(|| lookup.look()).unwrap(), Some(node));
}

/// It was in the list of those that are there, with the reason that it is not there.
#[test]
fn a_device_that_is_not_there_is_none_of_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let devices = disk(folder.path(), "gpt");
    let name = DeviceName::Node(devices.nodes.join("vdb").to_str().unwrap().into());
    let mut lookup = DeviceLookup::new(&devices, &name);
    assert_eq!(Wait::at_most(Duration::from_millis(200)).until_found(|| lookup.look()).unwrap(), None);
    assert_eq!(lookup.describe().unwrap(), "vda, vda1, vda2");
}

#[test]
fn partition_uuids_are_those_of_sfdisk() {
    for label in ["gpt", "dos"] {
        let folder = tempfile::tempdir().unwrap();
        let path = disk(folder.path(), label).nodes.join("vda");
        for number in [1, 2] {
            let found = partition_table::uuid(&File::open(&path).unwrap(), 512, number).unwrap();
            let sfdisk = |arguments: &[&str]| {
                run("/sbin/sfdisk", &[&[arguments[0], path.to_str().unwrap()], &arguments[1..]].concat())
            };
            // With a DOS partition table, blkid makes the UUID of the disk's signature and the partition's number.
            let wanted = match label {
                "dos" => format!("{}-{number:02x}", sfdisk(&["--disk-id"]).trim_start_matches("0x")),
                _ => sfdisk(&["--part-uuid", &number.to_string()]),
            };
            assert!(found.eq_ignore_ascii_case(&wanted), "{label}: {found}, {wanted}");
        }
    }
}

#[test]
fn a_hostile_partition_table_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = disk(folder.path(), "gpt").nodes.join("vda");
    let good = fs::read(&path).unwrap();
    for at in (510..512).chain(512..604) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            fs::write(&path, bytes).unwrap();
            for number in [0, 1, 2, u32::MAX] {
                let found = partition_table::uuid(&File::open(&path).unwrap(), 512, number);
                assert!(found.is_none_or(|id| id.len() <= 36));
            }
        }
    }
}

#[test]
fn loop_devices_and_ram_disks_are_no_media() {
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices { sysfs: folder.path().into(), nodes: folder.path().into() };
    for name in ["loop0", "ram15", "zram0", "sr0", "nvme0n1p2", "mmcblk0", "fd0", "dm-0"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    assert_eq!(devices.names().unwrap().into_iter().collect::<Vec<_>>(), ["dm-0", "mmcblk0", "nvme0n1p2", "sr0"]);
    assert_eq!(devices.node("cciss!c0d0"), folder.path().join("cciss/c0d0"));
    let gone = Devices { sysfs: "/no/such".into(), nodes: "/no/such".into() };
    assert!(gone.names().unwrap().is_empty());
}

#[test]
fn waiting_ends_with_a_result_or_at_the_time_limit() {
    let start = Instant::now();
    let mut looks = 0;
    let found = Wait { delay: Duration::ZERO, limit: None }.until_found(|| {
        looks += 1;
        Ok((looks == 3).then_some(looks))
    });
    assert_eq!(found.unwrap(), Some(3));
    assert_eq!(Wait::at_most(Duration::from_millis(50)).until_found(|| Ok(None::<()>)).unwrap(), None);
    assert!(start.elapsed() >= Duration::from_millis(50));
}
