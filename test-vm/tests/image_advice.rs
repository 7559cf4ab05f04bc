//! What `docs/images.md` says of a systemd that runs in the overlay: tried with Debian 12.

use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Bus, Guest, Image, Result, RootFs, Vm, ensure, tool};

/// Debian 12 after these shell commands have changed its files, which are in the folder where they run.
fn debian(commands: &str) -> Result<(Scratch, Vm)> {
    let scratch = Scratch::new()?;
    let image = Image::debian(RootFs::Squashfs)?;
    let make = format!(
        "unsquashfs -quiet -no-progress -dest tree \"$0\" && (cd tree && {commands}) && \
         mksquashfs tree made -comp zstd -Xcompression-level 1 -quiet -no-progress"
    );
    let mut shell = tool::limited(Duration::from_secs(120), "fakeroot");
    tool::finish(shell.args(["sh", "-ec", &make]).arg(image.path()).current_dir(scratch.folder()))?;
    let vm = Vm::new("root=/dev/vda rw").large().disk_file(Bus::Virtio, scratch.path("made"));
    Ok((scratch, vm))
}

/// What a shell command in the guest prints; it must succeed.
fn shell(guest: &mut Guest, command: &str) -> Result<String> {
    guest.run(&["sh", "-ec", command])
}

#[test]
fn an_fstab_as_an_installer_writes_it_makes_a_service_fail() -> Result<()> {
    let (_scratch, vm) =
        debian("echo 'UUID=6d656173-7572-4564-a26f-6f7420696d67 / ext4 errors=remount-ro 0 1' >etc/fstab")?;
    let mut guest = vm.boots()?;
    let failed = shell(&mut guest, "systemctl --failed --plain --no-legend || true")?;
    ensure!(failed.contains("systemd-remount-fs.service"), "{failed}");
    guest.power_off().map(drop)
}

#[test]
fn what_the_advice_says_holds_in_a_booted_debian() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut make = tool::limited(Duration::from_secs(60), "sh");
    let commands = "truncate -s 64M data && /usr/sbin/mke2fs -q -t ext4 -L data data 32M";
    tool::finish(make.args(["-ec", commands]).current_dir(scratch.folder()))?;
    let (_image, vm) = debian(
        "mkdir -p var/lib/data && printf 'LABEL=data /var/lib/data ext4 nofail,x-systemd.growfs 0 2\\ntmpfs /tmp tmpfs size=32m 0 0\\n' \
         >etc/fstab && : >etc/machine-id",
    )?;
    let mut guest = vm.disk_file(Bus::Virtio, scratch.path("data")).boots()?;
    guest.runs_well()?;
    // The data of the other partition, grown to its size.
    ensure!(shell(&mut guest, "findmnt -no FSTYPE /var/lib/data")? == "ext4", "no data");
    let size: u64 = shell(&mut guest, "df --block-size=1M --output=size /var/lib/data | tail -n 1")?.trim().parse()?;
    ensure!(size > 40, "{size} MiB");
    // The machine ID is of this boot alone, and the boot is no first one.
    let id = shell(&mut guest, "cat /etc/machine-id")?;
    ensure!(id.len() == 32, "{id}");
    // It is a file of the overlay, because the root can be written.
    ensure!(guest.run(&["findmnt", "/etc/machine-id"]).is_err(), "the ID is a mount");
    let first = shell(&mut guest, "systemctl show --property=ConditionResult --value systemd-firstboot.service")?;
    assert_eq!(first, "no");
    // The journal is in memory.
    ensure!(shell(&mut guest, "ls /run/log/journal")?.contains(&id), "the journal is elsewhere");
    // An overlay cannot be the upper folder of another one; over a tmpfs or a disk one more is possible, and not two.
    let upper = "mkdir -p $1/u $1/w $1/m && mount -t overlay overlay -o lowerdir=$2,upperdir=$1/u,workdir=$1/w $1/m";
    let stack = |guest: &mut Guest, upper_in: &str, lower: &str| {
        shell(
            guest,
            &format!("set -- {upper_in} {lower}; if {upper} 2>/dev/null; then echo mounted; else echo refused; fi"),
        )
    };
    assert_eq!(stack(&mut guest, "/var/overlay", "/usr")?, "refused");
    assert_eq!(stack(&mut guest, "/var/lib/data", "/usr")?, "mounted");
    assert_eq!(stack(&mut guest, "/tmp/second", "/var/lib/data/m")?, "refused");
    // A file of the overlay cannot be swap space; one of the disk can.
    let swap = "dd if=/dev/zero of=$1/swap bs=1M count=8 status=none && chmod 600 $1/swap && mkswap $1/swap >/dev/null && \
                if swapon $1/swap 2>/dev/null; then echo used; else echo refused; fi";
    assert_eq!(shell(&mut guest, &format!("set -- /var; {swap}"))?, "refused");
    assert_eq!(shell(&mut guest, &format!("set -- /var/lib/data; {swap}"))?, "used");
    shell(&mut guest, "swapoff /var/lib/data/swap; umount /var/lib/data/m; echo kept >/var/lib/data/kept; sync")?;
    // What is on the partition stays, and what is in the overlay does not.
    let mut guest = guest.reboot()?;
    guest.runs_well()?;
    assert_eq!(shell(&mut guest, "cat /var/lib/data/kept")?, "kept");
    ensure!(shell(&mut guest, "ls /var")?.lines().all(|name| name != "swap"), "the overlay outlived the reboot");
    ensure!(shell(&mut guest, "cat /etc/machine-id")? != id, "the machine ID outlived the reboot");
    guest.power_off().map(drop)
}

#[test]
fn a_first_boot_waits_for_a_key_unless_the_command_line_forbids_it() -> Result<()> {
    let id = "0123456789abcdef0123456789abcdef";
    let (_scratch, vm) = debian("echo uninitialized >etc/machine-id")?;
    let mut machine = vm.clone().start()?;
    machine.says("Please configure your system!")?;
    machine.killed()?;
    let mut guest = vm.with(&format!("systemd.firstboot=no systemd.machine_id={id}")).boots()?;
    assert_eq!(shell(&mut guest, "cat /etc/machine-id")?, id);
    let first = shell(&mut guest, "systemctl show --property=ConditionResult --value systemd-firstboot.service")?;
    assert_eq!(first, "yes");
    guest.power_off().map(drop)
}
