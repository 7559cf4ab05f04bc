//! Kernel modules: those that the command line forbids are not loaded, and a driver that is not for this machine does not end the
//! boot, unless what it was needed for is missing.

use test_vm::{Image, Kernel, PackedInitramfs, Result, RootFs, Step, Vm, ensure};

/// The small squashfs boots from /dev/vda with these parameters. Returns the guest's list of loaded modules.
fn loaded(parameters: &str) -> Result<Vec<String>> {
    let image = Image::small(RootFs::Squashfs)?;
    let mut guest = Vm::new("root=/dev/vda").with(parameters).disk(&image).boots()?;
    let modules = guest.list("/sys/module")?;
    guest.ends_measured(&image)?;
    Ok(modules)
}

#[test]
fn a_module_that_the_command_line_forbids_is_not_loaded() -> Result<()> {
    for parameters in
        ["module_blacklist=fat", "modprobe.blacklist=isofs,fat", "rd.driver.blacklist=isofs rd.driver.blacklist=fat"]
    {
        let modules = loaded(&format!("modules_load=vfat,isofs {parameters}"))?;
        let has = |name: &str| modules.iter().any(|module| module == name);
        // vfat needs fat.
        ensure!(!has("fat") && !has("vfat"), "{parameters}: {modules:?}");
        ensure!(has("isofs") != parameters.contains("isofs") && has("squashfs"), "{parameters}: {modules:?}");
    }
    Ok(())
}

/// The machine has neither SATA nor USB, and its image is a squashfs.
#[test]
fn only_the_modules_that_this_machine_needs_are_loaded() -> Result<()> {
    let modules = loaded("")?;
    let has = |name: &str| modules.iter().any(|module| module == name);
    for needed in ["virtio_blk", "virtio_pci", "squashfs", "overlay", "loop", "dm_verity"] {
        ensure!(has(needed), "no {needed}: {modules:?}");
    }
    for other in ["ahci", "usb_storage", "ext4", "vfat", "isofs", "erofs"] {
        ensure!(!has(other), "{other}: {modules:?}");
    }
    Ok(())
}

/// What no list of devices names is found all the same, a little later.
#[test]
fn all_modules_are_loaded_if_the_root_device_does_not_appear() -> Result<()> {
    let failed = Vm::new("root=/dev/vdb measureroot.timeout=4").fails()?;
    failed.at(Step::WaitForDevices, "/dev/vdb")?;
    failed.vm.says(&["the other modules are loaded, too: "])
}

#[test]
fn a_failure_names_the_modules_that_are_not_loaded() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let failed = Vm::new("root=/dev/vda modprobe.blacklist=virtio_blk measureroot.timeout=2").disk(&image).fails()?;
    failed.at(Step::WaitForDevices, "/dev/vda")?;
    failed.vm.says(&["modules that are not loaded: ", "virtio_blk (forbidden by the command line)"])
}

/// The folders of the kernel's modules for disks, buses, file systems, the processor, and what else drivers ask for at once.
const FOLDERS: [&str; 33] = [
    "arch",
    "block",
    "crypto",
    "fs",
    "lib",
    "virt",
    "drivers/acpi",
    "drivers/ata",
    "drivers/block",
    "drivers/cdrom",
    "drivers/char",
    "drivers/cpufreq",
    "drivers/crypto",
    "drivers/dax",
    "drivers/dma",
    "drivers/firmware",
    "drivers/hv",
    "drivers/i2c",
    "drivers/md",
    "drivers/memstick",
    "drivers/message",
    "drivers/mmc",
    "drivers/mtd",
    "drivers/nvdimm",
    "drivers/nvme",
    "drivers/pci",
    "drivers/scsi",
    "drivers/thermal",
    "drivers/ufs",
    "drivers/usb",
    "drivers/virtio",
    "drivers/watchdog",
    "drivers/xen",
];

/// Most of these drivers are not for this machine, and each says so in its own way.
#[test]
fn a_boot_that_loads_every_driver_of_a_pc_s_kernel_is_measured() -> Result<()> {
    let list = std::fs::read_to_string(Kernel::Pc.modules()?.join("modules.dep"))?;
    let files = list.lines().filter_map(|line| line.split_once(':')?.0.strip_prefix("kernel/"));
    let chosen = files.filter(|file| FOLDERS.iter().any(|folder| file.starts_with(&format!("{folder}/"))));
    let names = chosen.filter_map(|file| file.rsplit('/').next()?.strip_suffix(".ko"));
    // These are no drivers but tests of the kernel, which run for minutes when they are loaded.
    let names: Vec<_> = names.filter(|name| !name.starts_with("test_") && *name != "tcrypt").collect();
    ensure!(names.len() > 800, "only {} modules", names.len());
    let initramfs = PackedInitramfs::without_aliases(Kernel::Pc, &names)?;
    let image = Image::small(RootFs::Squashfs)?;
    let vm = Vm::new("root=/dev/vda").kernel(Kernel::Pc).initramfs(initramfs.file()).large().disk(&image);
    vm.boots()?.ends_measured(&image).map(drop)
}
