//! QEMU's command line. Trials showed what works. The reasons stand beside it.

use crate::accel::Accel;
use crate::board::Board;
use crate::{Bus, Firmware, Result, Vm, scratch::Scratch, tool};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// QEMU for `vm`: its console on standard output, its monitor and the probe's port connected to sockets in `scratch`.
pub fn command(vm: &Vm, scratch: &Scratch, tpm: Option<&Path>, accel: Accel) -> Result<Command> {
    let board = Board::of(vm.kernel);
    let mut qemu = tool::tied(board.program);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-machine", board.machine]);
    qemu.args(["-smp", &vm.processors.to_string()]);
    let (accel, processor) = match accel {
        Accel::Kvm => ("kvm", "host"),
        Accel::Tcg => ("tcg,thread=multi", board.processor),
    };
    let lacking: String = vm.lacking.iter().flat_map(|name| [",-", name]).collect();
    qemu.args(["-accel", accel, "-cpu", &format!("{processor}{lacking}")]);
    qemu.args(["-m", &format!("{}M", vm.memory_mib)]);
    // Instead of a restart or a power-off, the machine stops. Its TPM can then be read as the guest left it.
    qemu.args(["-action", "shutdown=pause,reboot=shutdown"]);
    match vm.firmware {
        Some(Firmware::Uefi) => {
            let (code, usual) = board.uefi;
            firmware(&mut qemu, scratch, code, vm, usual)?;
        }
        Some(Firmware::SecureBoot) => {
            firmware(&mut qemu, scratch, "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", vm, SNAKEOIL)?;
            // It keeps its variables where only its own mode of the processor can write (edk2, OvmfPkg/README, "SMM support").
            qemu.args(["-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]);
        }
        // GRUB needs a screen of the BIOS.
        Some(Firmware::Bios) => drop(qemu.args(["-device", "VGA"])),
        None => {
            qemu.arg("-kernel").arg(vm.kernel.image()?);
            qemu.arg("-initrd").arg(vm.initramfs.clone().map_or_else(|| vm.kernel.initramfs(), Ok)?);
            qemu.args(["-append", &vm.given_cmdline()]);
        }
    }

    qemu.args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
    socket(&mut qemu, "monitor", &scratch.path("monitor"));
    qemu.args(["-mon", "chardev=monitor,mode=control"]);
    socket(&mut qemu, "probe", &scratch.path("probe"));
    qemu.args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=probe,name=measureroot.probe"]);
    if let Some(control) = tpm {
        socket(&mut qemu, "tpm", control);
        let device = vm.tpm_device.unwrap_or(board.tpm);
        qemu.args(["-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", &format!("{device},tpmdev=tpm")]);
    }

    if let Some(port) = vm.agent_port {
        let forward = format!("hostfwd=tcp:127.0.0.1:{port}-:{}", crate::keylime::AGENT_PORT);
        // Without its ROM, the firmware does not boot from it.
        qemu.args(["-netdev", &format!("user,id=net,{forward}"), "-device", "virtio-net-pci,netdev=net,romfile="]);
    }
    if let Some(file) = &vm.acpi_table {
        qemu.args(["-acpitable", &format!("file={}", file.display())]);
    }
    if let Some((address, file)) = &vm.preloaded {
        qemu.args(["-device", &format!("loader,file={},addr={address:#x},force-raw=on", file.display())]);
    }
    if let Some((address, program)) = &vm.server {
        let server = format!("guestfwd=tcp:{address}-cmd:{}", program.display());
        qemu.args(["-netdev", &format!("user,id=network,restrict=on,{server}")]);
        // It does not boot from the network, so it needs no program for that.
        qemu.args(["-device", "virtio-net-pci,netdev=network,romfile="]);
    }

    // A free slot for a disk that is plugged in late.
    qemu.args(["-device", "pcie-root-port,id=late,chassis=1", "-device", "virtio-scsi-pci,id=scsi"]);
    for (number, (file, bus)) in vm.disks.iter().enumerate() {
        let first = if vm.firmware.is_some() && number == 0 { ",bootindex=0" } else { "" };
        disk(&mut qemu, number, file, *bus, first);
    }
    qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(scratch.path("messages"))?);
    Ok(qemu)
}

/// Connects the disk with this number.
fn disk(qemu: &mut Command, number: usize, file: &Path, bus: Bus, first: &str) {
    let drive = format!("if=none,id=disk{number},format=raw,file={}", file.display());
    match bus {
        // The guest can write to it, so that a scenario sees every write. The file stays as it is.
        Bus::Virtio | Bus::Virtio4096 => {
            let sector = if bus == Bus::Virtio { 512 } else { 4096 };
            let sectors = format!("logical_block_size={sector},physical_block_size={sector}");
            qemu.args(["-drive", &format!("{drive},snapshot=on")]);
            qemu.args(["-device", &format!("virtio-blk-pci,drive=disk{number},{sectors}")]);
        }
        Bus::CdRom | Bus::SataCdRom => {
            qemu.args(["-drive", &format!("{drive},media=cdrom,readonly=on")]);
            let device = if bus == Bus::CdRom { "scsi-cd,bus=scsi.0" } else { "ide-cd" };
            qemu.args(["-device", &format!("{device},drive=disk{number}{first}")]);
        }
        Bus::Nvme | Bus::Sata | Bus::Usb => {
            qemu.args(["-drive", &format!("{drive},snapshot=on")]);
            let device = match bus {
                Bus::Nvme => "nvme,serial=measured",
                // A port of the machine's own controller.
                Bus::Sata => "ide-hd",
                _ => "usb-storage,bus=usb.0",
            };
            if bus == Bus::Usb {
                qemu.args(["-device", "qemu-xhci,id=usb"]);
            }
            qemu.args(["-device", &format!("{device},drive=disk{number}{first}")]);
        }
        Bus::Controller(name) => {
            qemu.args(["-drive", &format!("{drive},snapshot=on")]);
            qemu.args(["-device", &format!("{name},id=controller{number}")]);
            qemu.args(["-device", &format!("scsi-hd,bus=controller{number}.0,drive=disk{number}")]);
        }
        // Without a cache, each read of the guest reaches the server.
        Bus::Nbd | Bus::NbdScsi => {
            let node = format!("driver=raw,node-name=disk{number},read-only=on,cache.direct=on");
            let server = format!("file.driver=nbd,file.server.type=unix,file.server.path={}", file.display());
            qemu.args(["-blockdev", &format!("{node},{server}")]);
            let device = if bus == Bus::Nbd { "virtio-blk-pci" } else { "scsi-hd,bus=scsi.0" };
            qemu.args(["-device", &format!("{device},drive=disk{number},id=front{number}")]);
        }
        // Writes and the size stay in QEMU's own layer.
        Bus::NbdResizable => {
            let server = format!("file.driver=nbd,file.server.type=unix,file.server.path={}", file.display());
            qemu.args(["-drive", &format!("if=none,id=disk{number},format=raw,{server},snapshot=on")]);
            qemu.args(["-device", &format!("virtio-blk-pci,drive=disk{number}")]);
        }
    }
}

/// Variables with Debian's key for tests in PK, KEK and db.
const SNAKEOIL: &str = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd";

/// The variables of [`Firmware::SecureBoot`].
#[must_use]
pub fn secure_boot_variables() -> PathBuf {
    SNAKEOIL.into()
}

/// Debian's firmware, with a new copy of the scenario's own variables, or of the usual ones.
fn firmware(qemu: &mut Command, scratch: &Scratch, code: &str, vm: &Vm, usual: &str) -> Result<()> {
    let (variables, template) = (scratch.path("variables"), vm.variables.as_deref().unwrap_or(Path::new(usual)));
    std::fs::copy(template, &variables)
        .map_err(|cause| format!("{}: {cause} (package ovmf or qemu-efi-aarch64)", template.display()))?;
    if let Some(option) = &vm.boot_option {
        option.add_to(&variables)?;
    }
    qemu.args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={code}")]);
    qemu.args(["-drive", &format!("if=pflash,unit=1,format=raw,file={}", variables.display())]);
    Ok(())
}

/// A channel named `id` that QEMU connects to the socket at `path`.
fn socket(qemu: &mut Command, id: &str, path: &Path) {
    qemu.args(["-chardev", &format!("socket,id={id},path={}", path.display())]);
}
