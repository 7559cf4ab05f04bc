//! What is expected of a boot by GRUB, from what it has loaded and measured.

use std::borrow::Cow;
use std::rc::Rc;

use super::image::Known;
use super::machine::{Loaded, Machine};
use super::stop::{Run, Stop};
use super::volumes::has_name;
use crate::chain::event::Expected;
use crate::chain::firmware;
use crate::chain::forecast::{Forecast, Part};
use crate::chain::forecasts::Forecasts;
use crate::chain::kernel::{Given, Kernel, Named};
use crate::chain::volume::PROGRAM;

/// What stands for the events of a command line or an initrd that the kernel measures itself.
const NO_STUB: &str = "the kernel that GRUB starts has no stub of systemd";
/// GRUB fills up each initrd but the last one to four bytes (grub-core/loader/linux.c, `grub_initrd_load`).
const ALIGNMENT: usize = 4;

/// The module with which Debian's GRUB loads a kernel itself.
const PEIMAGE: &str = "peimage";
/// Why PCR 4 does not follow with the module, but without shim, or without it.
const NO_SHIM: &str = "GRUB has its module peimage, and who loads the kernel is known only if shim starts GRUB";
const NO_PEIMAGE: &str =
    "GRUB does not have its module peimage: how often the kernel is measured with Secure Boot is not known then";

/// What is expected, without GRUB itself in PCR 4.
pub(super) fn forecasts(machine: &Machine<'_>) -> Run<Forecasts> {
    let loaded = machine.loaded.as_ref().ok_or_else(|| Stop::new("no kernel is loaded"))?;
    let mut forecasts = match machine.known()? {
        Known::V2_06 => handed_over(machine, loaded)?,
        Known::V2_12 => loaded_by_firmware(machine, loaded)?,
    };
    let mut files: Vec<_> = machine.measured.files.iter().cloned().map(Part::Event).collect();
    if let Some(Forecast::Follows { parts, .. }) = forecasts.pcrs.get_mut(&9) {
        files.append(parts);
        *parts = files;
    }
    match machine.measured.text_parts(machine.world.seen, machine.world.banks) {
        Ok(parts) => forecasts.follows(8, parts, &[]),
        Err(why) => forecasts.open(8, why),
    }
    for assumed in &machine.assumes {
        for pcr in [4, 8, 9] {
            forecasts.assumes(pcr, assumed);
        }
    }
    if !machine.measured.is_on {
        let why = "the configuration, the command line and the initrd: GRUB does not have its module tpm, without which it measures nothing";
        forecasts.unmeasured.push(why.to_owned());
    } else if !machine.measured.missed.is_empty() {
        let files: Vec<_> = machine.measured.missed.iter().map(String::as_str).collect();
        let why = "GRUB reads it before its module tpm is there, with which it measures";
        forecasts.unmeasured.push(format!("{}: {why}", files.join(", ")));
    }
    Ok(forecasts)
}

/// 2.06 jumps into the kernel: nothing measures it but GRUB (grub-core/loader/i386/efi/linux.c and i386/linux.c).
fn handed_over(machine: &Machine<'_>, loaded: &Loaded) -> Run<Forecasts> {
    let mut forecasts = Forecasts::of_firmware();
    forecasts.follows(4, firmware::before_a_program(machine.world.banks), &[]);
    forecasts.follows(9, Vec::new(), &[]);
    for pcr in [11, 12] {
        forecasts.follows(pcr, Vec::new(), &[NO_STUB]);
    }
    forecasts.gets(&loaded.command_line);
    if machine.world.is_secure {
        // GRUB lets shim judge the kernel when it opens the file, then once more (grub-core/kern/efi/sb.c, `shim_lock_verifier_write`,
        // and Debian's patch linuxefi, `grub_linuxefi_secure_validate`). Each time, shim measures it (shim, verify.c, `shim_verify`).
        if !machine.has_module("linuxefi") {
            return Err(Stop::new(
                "GRUB does not have its module linuxefi, with which it starts kernels with Secure Boot",
            ));
        }
        let kernel = judged(machine, loaded)?;
        forecasts.started_last(kernel.clone());
        forecasts.started_last(kernel);
    }
    Ok(forecasts)
}

/// The event of the kernel as shim measures it.
fn judged(machine: &Machine<'_>, loaded: &Loaded) -> Run<Expected> {
    let (number, path) = &loaded.kernel;
    let bytes = machine.bytes(*number, path, PROGRAM)?.ok_or_else(|| Stop::new(format!("{path}: is gone")))?;
    let event = firmware::program(&bytes, "the kernel, which shim judges", path, machine.world.banks);
    event.map_err(|error| Stop::new(format!("{}: {error}", loaded.place)))
}

/// From 2.12 on, the firmware loads the kernel, which takes the command line and the initrd as from the firmware
/// (grub-core/loader/efi/linux.c). No zero ends the command line.
fn loaded_by_firmware(machine: &Machine<'_>, loaded: &Loaded) -> Run<Forecasts> {
    let place = |error: crate::error::Error| Stop::new(format!("{}: {error}", loaded.place));
    let read = |(number, path): &(usize, String)| {
        let bytes = machine.bytes(*number, path, PROGRAM)?;
        bytes.ok_or_else(|| Stop::new(format!("{path}: is gone")))
    };
    let bytes = read(&loaded.kernel)?;
    let kernel = Kernel::parse(&loaded.kernel.1, &bytes).map_err(place)?;
    // Many entries have the same files, with Secure Boot and without it: they are hashed once.
    let key = (loaded.kernel.clone(), loaded.initrds.clone());
    let hashed = Rc::clone(machine.world.hashed.borrow_mut().entry(key).or_default());
    let mut initrds = Vec::new();
    for (number, initrd) in loaded.initrds.iter().enumerate() {
        let mut bytes = if hashed.initrds.get().is_some() { Vec::new() } else { read(initrd)? };
        if number + 1 < loaded.initrds.len() {
            bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        }
        initrds.push(Named { name: initrd.1.clone(), bytes: Cow::Owned(bytes) });
    }
    let given = Given {
        command_line: Some(&loaded.command_line),
        from: Some(&loaded.place),
        is_from_a_loader: true,
        is_without_zero: true,
        initrds: &initrds,
        hashed: Some(&hashed),
    };
    let mut forecasts = kernel.forecasts(&given, machine.world.banks).map_err(place)?;
    loaded_behind_shim(machine, loaded, &mut forecasts)?;
    if has_name(&loaded.command_line) {
        forecasts
            .open(9, format!("{}: the kernel measures the name of a disk, which the machine decides", loaded.place));
    }
    Ok(forecasts)
}

/// Behind shim, Debian 13's signed image loads the kernel itself, by its module peimage: the firmware does not measure it. With Secure
/// Boot, GRUB lets shim judge it, which measures it once (debian/patches/secure-boot/efi-use-peimage-shim.patch; boots showed both).
fn loaded_behind_shim(machine: &Machine<'_>, loaded: &Loaded, forecasts: &mut Forecasts) -> Run<()> {
    let world = machine.world;
    match (machine.has_module(PEIMAGE), world.has_shim) {
        (true, true) => {
            forecasts.follows(4, firmware::before_a_program(world.banks), &[]);
            if world.is_secure {
                forecasts.started_last(judged(machine, loaded)?);
            }
        }
        (true, false) => forecasts.open(4, NO_SHIM),
        (false, _) if world.is_secure => forecasts.open(4, NO_PEIMAGE),
        (false, _) => {}
    }
    Ok(())
}
