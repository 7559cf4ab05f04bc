//! `measureroot predict --disk` with `--boot` and `--append`: a boot option of OVMF starts a kernel by its EFI stub.

use std::fs;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Bus, Evidence, Image, Kernel, Result, RootFs, Vm, ensure, predict, tool, uki};

const KERNEL: &str = "\\debian\\vmlinuz";
const WORDS: &str = "root=PARTLABEL=root initrd=\\debian\\initrd.img console=ttyS0 panic=1 measureroot.onfail=poweroff";

/// The kernel loads the initrd that `initrd=` names, and measures only one that LoadFile2 hands over: so the machine is as
/// expected, and nothing vouches for its agent. With LoadFile2, such kernels are trusted: `altered.rs` (systemd-boot) and
/// `chain_shim.rs` (GRUB 2.12).
#[test]
fn a_kernel_is_measured_as_predicted_and_its_initrd_is_said_to_be_in_no_pcr() -> Result<()> {
    let scratch = Scratch::new()?;
    let esp = scratch.path("esp");
    fs::create_dir_all(esp.join("debian"))?;
    fs::copy(Kernel::V6_12.image()?, esp.join("debian/vmlinuz"))?;
    fs::copy(Kernel::V6_12.initramfs()?, esp.join("debian/initrd.img"))?;
    let disk = uki::disk_with_root(&esp, Image::small(RootFs::Squashfs)?.path(), &scratch)?;
    let vm = Vm::uefi().large().disk_file(Bus::Virtio, disk.clone()).boot_option(KERNEL, WORDS);
    let evidence = Evidence::of(vm.boots()?)?;

    let (log, list) = (evidence.log().display().to_string(), scratch.path("trusted.json"));
    let options = ["--boot", KERNEL, "--append", WORDS, "--like", &log];
    let chains = predict::disk_with(&disk, &options)?;
    ensure!(chains[0].keys().copied().eq([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]), "{:?}", chains[0].keys());
    predict::holds(evidence.vm(), &chains[0])?;
    let ends = predict::answers(&chains[0][&9], &evidence.vm().pcrs(9)?, 9)?;
    ensure!(ends == ["no zero ends the load options"], "{ends:?}");
    let mut trust = tool::measureroot(Duration::from_secs(60))?;
    let said =
        tool::finish(trust.args(["predict", "--disk"]).arg(&disk).args(options).arg("--allow-entry").arg(&list))?;
    ensure!(said.contains("NOT MEASURED: the initrd that initrd= names"), "{said}");
    let verdict = evidence.judged(&list)?;
    verdict.is_against("what started the agent was not checked: not measured: the initrd that initrd= names")?;
    // Each PCR is as expected, all the same.
    verdict
        .says(&["PCR 9 is as expected: if no zero ends the load options", "PCR 13 is as expected: whole, partition 2"])
}
