//! Kernel modules: those that the command line forbids are not loaded, and a driver that is not for this machine does not end the
//! boot, unless what it was needed for is missing.

use test_vm::{Image, Result, RootFs, Step, Vm, ensure};

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
        let modules = loaded(parameters)?;
        let has = |name: &str| modules.iter().any(|module| module == name);
        // vfat needs fat.
        ensure!(!has("fat") && !has("vfat"), "{parameters}: {modules:?}");
        ensure!(has("isofs") != parameters.contains("isofs") && has("squashfs"), "{parameters}: {modules:?}");
    }
    Ok(())
}

#[test]
fn a_failure_names_the_modules_that_are_not_loaded() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?;
    let failed = Vm::new("root=/dev/vda modprobe.blacklist=virtio_blk measureroot.timeout=2").disk(&image).fails()?;
    failed.at(Step::WaitForDevices, "/dev/vda")?;
    failed.vm.says(&["modules that are not loaded: ", "virtio_blk (forbidden by the command line)"])
}
