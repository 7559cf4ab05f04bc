//! The commands of docs/protect.md that make an image of the running root and an entry of the boot menu, with a made-up root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test panics with the reason.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{measureroot, run, shell, text};

const PAGE: &str = "docs/protect.md";
/// The identity of the file system that has the image.
const UUID: &str = "6d656173-7572-4564-8162-6f6f74000001";

/// A folder with a root, the folders that the page writes to, and programs in the place of those that need a real machine.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let folder = machine.0.path();
        let folders = ["root/etc", "root/boot", "root/tmp", "root/proc", "root/measured", "boot/grub", "esp", "bin"];
        for folder in folders {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        let fstab = "# / was on /dev/sda2 during installation\nUUID=1 / ext4 errors=remount-ro 0 1\nUUID=2 /home ext4 defaults 0 2\n";
        for (path, content) in [
            ("root/etc/fstab", fstab),
            ("root/etc/hostname", "machine\n"),
            ("root/boot/vmlinuz-6.1.0", ""),
            ("root/tmp/file", ""),
            ("root/measured/rootfs.squashfs", "an older image"),
            ("boot/vmlinuz-6.1.0", "kernel"),
            ("boot/measureroot.img", "initramfs"),
        ] {
            fs::write(machine.path(path), content).unwrap();
        }
        for (name, script) in [
            ("findmnt", format!("echo {UUID}")),
            ("uname", "echo 6.1.0".into()),
            ("grub-mkrelpath", "echo /boot".into()),
            ("grub-reboot", "[ \"$*\" = measured ]".into()),
            ("mkinitramfs", "[ $MEASUREROOT = yes ]".into()),
            ("apt-get", ":".into()),
            ("lsblk", "echo vda".into()),
            ("cat", "case $1 in /sys/*) echo 1 ;; *) exec /bin/cat \"$@\" ;; esac".into()),
            // What it is called with goes into the file, or into one beside it.
            ("ukify", "for word; do :; done; printf '%s\\n' \"$@\" >\"${word#--output=}\"".into()),
            (
                "efibootmgr",
                format!(
                    "echo \"$*\" >>{}; printf 'Boot0001* Debian\\nBoot000A* Measured\\tHD(1)\\n'",
                    text(&folder.join("option"))
                ),
            ),
            (
                "bootctl",
                format!(
                    "case $1 in --print-esp-path) echo {} ;; set-oneshot) [ $2 = measured.conf ] ;; esac",
                    machine.file("esp")
                ),
            ),
        ] {
            let program = machine.path("bin").join(name);
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        text(&self.path(name)).to_owned()
    }

    /// Runs the page's blocks under these headings, one after the other. The folders are those of this machine.
    fn run(&self, headings: &[&str]) -> String {
        let commands = common::blocks_of(PAGE, |heading| headings.contains(&heading)).concat();
        let commands = commands
            .replace("mksquashfs / ", &format!("mksquashfs {} ", self.file("root")))
            .replace("/etc/fstab >", &format!("{} >", self.file("root/etc/fstab")))
            .replace("mkdir -p /measured", &format!("mkdir -p {}", self.file("measured")))
            .replace("/measured/fstab", &self.file("measured/fstab"))
            .replace(" /measured/rootfs", &format!(" {}", self.file("measured/rootfs")))
            .replace("/boot/grub/", &format!("{}/", self.file("boot/grub")))
            .replace(" /boot/measureroot.img", &format!(" {}", self.file("boot/measureroot.img")))
            .replace("\"/boot/vmlinuz", &format!("\"{}/vmlinuz", self.file("boot")));
        let commands = format!("PATH={}:$PATH\n{commands}", self.file("bin"));
        shell(&commands, self.0.path(), &[]).printed()
    }
}

#[test]
fn the_image_is_that_of_the_root_and_a_boot_takes_it() {
    let machine = Machine::new();
    machine.run(&["Make the image"]);
    let image = machine.file("measured/rootfs.squashfs");
    run("unsquashfs", &["-quiet", "-no-progress", "-dest", &machine.file("unpacked"), &image]);
    let fstab = fs::read_to_string(machine.path("unpacked/etc/fstab")).unwrap();
    assert_eq!(fstab, "UUID=2 /home ext4 defaults 0 2\n");
    for (path, is_there) in [
        ("etc/hostname", true),
        ("boot", true),
        ("tmp", true),
        ("proc", true),
        ("boot/vmlinuz-6.1.0", false),
        ("tmp/file", false),
        ("measured", false),
    ] {
        assert_eq!(machine.path("unpacked").join(path).exists(), is_there, "{path}");
    }
    let predicted = measureroot(&["predict", "--bank", "sha256", &image]).printed();
    assert!(predicted.starts_with("  sha256:\n    13: 0x"), "{predicted}");
}

/// The command line in a file of the boot loader, behind the word in front of it.
fn command_line(entry: &str, before: &str) -> String {
    let line = entry.lines().find_map(|line| line.trim().strip_prefix(before)).unwrap();
    line[line.find("root=").unwrap()..].to_owned()
}

#[test]
fn each_entry_of_the_menu_names_the_image_and_a_boot_accepts_its_command_line() {
    let machine = Machine::new();
    let steps = [
        "Make the initramfs",
        "Choose the command line",
        "Add an entry to GRUB",
        "Or an entry of systemd-boot",
        "Or a unified kernel image",
    ];
    let explained = machine.run(&steps);
    assert!(explained.contains("/measured/rootfs.squashfs") && explained.contains(UUID), "{explained}");
    let grub = machine.file("boot/grub/custom.cfg");
    run("grub-script-check", &[&grub]);
    let grub = fs::read_to_string(grub).unwrap();
    for line in [&format!("--set=root {UUID}\n"), "linux /boot/vmlinuz-6.1.0 root=", "initrd /boot/measureroot.img\n"] {
        assert!(grub.contains(line), "{line}: {grub}");
    }
    let loader = fs::read_to_string(machine.path("esp/loader/entries/measured.conf")).unwrap();
    for name in loader.lines().filter_map(|line| line.strip_prefix("linux ").or_else(|| line.strip_prefix("initrd "))) {
        assert!(Path::new(&(machine.file("esp") + name)).is_file(), "{name}: {loader}");
    }
    let expected = format!("root=UUID={UUID} rootimg=/measured/rootfs.squashfs");
    let unified = fs::read_to_string(machine.path("esp/EFI/Linux/measured.efi")).unwrap();
    for line in [command_line(&grub, "linux "), command_line(&loader, "options "), command_line(&unified, "--cmdline=")]
    {
        assert_eq!(line, expected);
    }
    let option = fs::read_to_string(machine.path("option")).unwrap();
    assert!(
        option.starts_with(
            "--create-only --label Measured --loader \\EFI\\Linux\\measured.efi --disk /dev/vda --part 1\n"
        ),
        "{option}"
    );
    assert!(option.ends_with("--bootnext 000A\n"), "{option}");
}

/// Commands that other tests run, for a whole machine.
#[test]
fn each_other_command_is_one_of_a_page_whose_boot_is_tested() {
    let blocks = |page: &str| common::blocks(page).concat();
    let page = blocks(PAGE);
    let one = |wanted: &str| page.lines().find(|line| line.contains(wanted)).unwrap().to_owned();
    assert!(blocks("docs/initramfs-tools.md").contains(&one("mkinitramfs -o").replace("/boot/", "")));
    let compare = one("| diff").replace("/run/initramfs/medium/measured/", "");
    assert!(blocks("README.md").contains(&compare), "{compare}");
    let predict = one("predict --bank").replace("/measured/", "");
    assert!(blocks("README.md").contains(&predict), "{predict}");
}
