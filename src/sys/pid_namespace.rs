//! Whether PID 1 is that of the machine, or that of a container.

use std::fs;
use std::path::Path;

/// The PID namespace of the machine: `PROC_PID_INIT_INO`, 0xEFFFFFFC, in the form of proc_ns(5) (Linux 3.8 and later,
/// include/linux/proc_ns.h).
const OF_THE_MACHINE: &str = "pid:[4026531836]";

/// Whether the kernel started this process to be the init of the machine.
///
/// PID 1 of a container must not boot: it would mount, load modules and extend the PCR of the machine that it runs on. The kernel
/// starts the init of an initramfs before anything is mounted, so a /proc that names another namespace means a container.
#[must_use]
pub fn is_init_of_the_machine() -> bool {
    std::process::id() == 1 && is_of_the_machine(Path::new("/proc/self/ns/pid"))
}

fn is_of_the_machine(link: &Path) -> bool {
    fs::read_link(link).map_or(true, |namespace| namespace == Path::new(OF_THE_MACHINE))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_another_namespace_means_a_container() {
        let folder = tempfile::tempdir().unwrap();
        let link = |name: &str, target: &str| {
            let link = folder.path().join(name);
            symlink(target, &link).unwrap();
            is_of_the_machine(&link)
        };
        assert!(link("machine", "pid:[4026531836]"));
        assert!(!link("container", "pid:[4026532437]"));
        assert!(is_of_the_machine(&folder.path().join("no-proc")));
    }
}
