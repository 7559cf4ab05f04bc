//! A Debian with SELinux boots measured in enforcing mode.

use test_vm::{Image, Result, SealChoice, Vm, ensure};

#[test]
fn debian_with_selinux_in_enforcing_mode_boots_measured() -> Result<()> {
    let image = Image::selinux()?;
    let vm = Vm::new("root=/dev/vda security=selinux enforcing=1").seal(SealChoice::Verity).large().disk(&image);
    let mut guest = vm.boots()?;
    guest.runs_well()?;
    guest.is_sealed(SealChoice::Verity)?;
    assert_eq!(guest.run(&["getenforce"])?, "Enforcing");
    assert_eq!(guest.run(&["stat", "--format=%C", "/"])?, "system_u:object_r:root_t:s0");
    // The kernel's own log has the denials: there is no auditd.
    let log = guest.run(&["dmesg"])?;
    let denied: Vec<_> =
        log.lines().filter(|line| line.contains("avc:  denied") && line.contains("tclass=fd")).collect();
    ensure!(denied.is_empty(), "{denied:?}");
    guest.ends_measured(&image).map(drop)
}
