//! Boots with too little memory. The boot refuses, or the machine ends: no root runs unmeasured.

use test_vm::machine::Ended;
use test_vm::stopped_vm::{DEFAULT_PCR, FAILED};
use test_vm::{Bank, Image, Kernel, Prediction, Result, RootFs, SealChoice, Step, Vm, WrappedInitramfs, ensure};

/// A machine whose kernel has only this many MiB of memory for the agent: PID 1 fills a ramfs first.
fn with_available(mib: u32) -> Result<(WrappedInitramfs, Vm)> {
    let fill = format!(
        "sh -c 'while read -r name kib unit; do [ $name != MemAvailable: ] || break; done </proc/meminfo; \
         /busybox dd if=/fill/zero of=/fill/zeros bs=1M count=$((kib / 1024 - {mib}))'"
    );
    let fill = [
        "mkdir -p /proc /fill",
        "mount -t proc proc /proc",
        "mount -t ramfs ramfs /fill",
        "mknod /fill/zero c 1 5",
        &fill,
        "umount /proc",
    ];
    let wrapped = WrappedInitramfs::new(Kernel::V6_1, &fill)?;
    let vm = Vm::new("root=/dev/vda").wrapped(&wrapped).memory(256).disk(&Image::small(RootFs::Squashfs)?);
    Ok((wrapped, vm))
}

/// Without a seal nothing is checked before: the memory ends while the agent loads modules, or a little later. With a seal there is
/// just as much as the check asks for.
#[test]
fn a_boot_that_runs_out_of_memory_fails_closed() -> Result<()> {
    let predicted = Prediction::of(Image::small(RootFs::Squashfs)?.path())?;
    for (seal, mib) in [(SealChoice::None, 8), (SealChoice::None, 11), (SealChoice::Verity, 26)] {
        let (_wrapped, vm) = with_available(mib)?;
        vm.seal(seal).start()?.fails_closed(&predicted).map_err(|cause| format!("{seal:?} with {mib} MiB: {cause}"))?;
    }
    Ok(())
}

/// The tree of the small image takes nothing, so it is what must be left beside it that decides. The agent and the modules take
/// some 5 MiB before: up to 12 MiB the kernel itself runs out of memory, from 21 MiB on the tree fits. 17 is in the middle.
#[test]
fn a_tree_that_would_leave_no_memory_is_refused() -> Result<()> {
    let (_wrapped, vm) = with_available(17)?;
    let failed = vm.seal(SealChoice::Verity).fails()?;
    failed.at(Step::SealImage, "dm-verity")?;
    failed.because(&["bytes of memory", "are available"])
}

/// The tree of 8 GiB takes 64 MiB. The disk is sparse: its bytes cost the host nothing.
#[test]
fn the_tree_of_a_sparse_image_that_does_not_fit_in_memory_is_refused_at_once() -> Result<()> {
    let image = Image::small(RootFs::Squashfs)?.enlarged(8 << 30)?;
    let failed = Vm::new("root=/dev/vda").seal(SealChoice::Verity).memory(112).disk(&image).fails()?;
    failed.at(Step::SealImage, "dm-verity")?;
    failed.because(&["the tree of an image of 8589934592 bytes needs 84"])?;
    ensure!(!failed.vm.console().iter().any(|line| line.contains("measureroot: hash the image")), "it was hashed");
    Ok(())
}

/// Memory in MiB. With 64, this kernel does not start. A copy of the large image fits only in the last ones.
const MEMORY: [u32; 6] = [80, 96, 128, 192, 256, 1024];
const LARGE: &str = "yes measureroot | head -c 64M >tree/large";

/// Each size of the memory, with the seals. The image is around the limit of the copy, and far below that of the tree.
#[test]
fn whatever_memory_a_machine_has_its_boot_ends_in_the_root_or_with_numbers() -> Result<()> {
    let image = Image::root_with_busybox(LARGE, "mksquashfs tree made -noD -noF -all-root -quiet -no-progress")?;
    let predicted = Prediction::of(image.path())?;
    let mut fitting = Vec::new();
    for (place, mib) in MEMORY.into_iter().enumerate() {
        for seal in [SealChoice::Ram, [SealChoice::Verity, SealChoice::None][place % 2]] {
            let vm = Vm::new("root=/dev/vda").seal(seal).memory(mib).banks(&[Bank::Sha256]).disk(&image);
            let Ended { has_booted, failures, vm } = vm.start()?.ends()?;
            let place = format!("{mib} MiB, {seal:?}: {failures:?}");
            match failures.as_slice() {
                [] => {
                    ensure!(has_booted, "{place}:\n{}", vm.console().join("\n"));
                    let held = vm.pcrs(DEFAULT_PCR)?;
                    ensure!(
                        held[&Bank::Sha256] == predicted.after()[&Bank::Sha256],
                        "{place}: the root booted unmeasured"
                    );
                    fitting.extend((seal == SealChoice::Ram).then_some(mib));
                }
                [failure] => {
                    ensure!(!has_booted && failure.step == Step::SealImage.name(), "{place}");
                    ensure!(
                        failure.cause.contains("bytes of memory") && failure.cause.contains("are available"),
                        "{place}"
                    );
                    vm.holds(DEFAULT_PCR, None, FAILED).map_err(|cause| format!("{place}: {cause}"))?;
                }
                _ => return Err(place.into()),
            }
        }
    }
    // The copy of the image and 64 MiB beside it.
    ensure!(fitting.contains(&1024) && !fitting.contains(&128), "the copy fits in {fitting:?} MiB");
    Ok(())
}
