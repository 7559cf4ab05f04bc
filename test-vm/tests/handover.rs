//! The init finds its process, and the kernel's parameters, as the kernel made them: as if the kernel had started it.

use test_vm::{Image, Kernel, Result, Vm, WrappedInitramfs, ensure};

/// A command of a shell that describes PID 1: its signals, its umask, its limits, its descriptors, and parameters of the kernel.
const DESCRIBE: &str = "sh -c '/busybox grep -E \"^(SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt|Umask|NoNewPrivs|Seccomp|CapEff):\" \
    /proc/1/status; /busybox cat /proc/1/limits /proc/1/oom_score_adj /proc/1/personality /proc/sys/kernel/panic \
    /proc/sys/kernel/printk_devkmsg; /busybox readlink /proc/1/cwd; cd /proc/1/fd; \
    for f in *; do /busybox echo $f $(/busybox stat -L -c %t:%T $f); done'";

#[test]
fn the_init_inherits_what_the_kernel_gave_to_pid_1() -> Result<()> {
    let before = format!("{DESCRIBE} >/run/before");
    let wrapped = WrappedInitramfs::new(
        Kernel::V6_1,
        &["mkdir -p /proc /run", "mount -t proc proc /proc", "mount -t tmpfs tmpfs /run", &before],
    )?;
    // The same shell runs as PID 1 before the agent and after it.
    let image = Image::squashfs_of(&format!(
        "cat >tree/sbin/init <<'END'\n#!/busybox sh\nset -e\n/busybox {DESCRIBE} >/run/after\nexec /probe\nEND\nchmod +x tree/sbin/init"
    ))?;
    let mut guest = Vm::new("root=/dev/vda").disk(&image).wrapped(&wrapped).boots()?;
    let (before, after) = (guest.read("/run/before")?, guest.read("/run/after")?);
    // Of all signals, busybox's shell itself ignores SIGQUIT.
    ensure!(before.contains("SigIgn:\t0000000000000004") && before.contains("Max open files"), "{before}");
    ensure!(before == after, "PID 1 before the agent:\n{before}\nafter it:\n{after}");
    guest.power_off().map(drop)
}
