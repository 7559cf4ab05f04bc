//! The files of a machine for tests, and what is predicted of them.

use super::esp::Esp;
use super::forecasts::Forecasts;
use super::made_machine::BANK;
use super::made_pe::MadePe;
use super::root_image;
use super::uki::Uki;
use super::volume::tests::Made;
use crate::hash::digest::digests_of;
use crate::measure::pcr::PcrIndex;

/// The files of a machine.
#[derive(Clone, Copy)]
pub(crate) struct Files {
    pub(crate) loader: &'static [u8],
    pub(crate) kernel: &'static [u8],
    pub(crate) initrd: &'static [u8],
    pub(crate) options: &'static str,
    pub(crate) os_release: &'static [u8],
    pub(crate) root: &'static [u8],
}

pub(crate) const GOOD: Files = Files {
    loader: b"loader",
    kernel: b"kernel",
    initrd: b"an initrd",
    options: "root=/dev/vda ro",
    os_release: b"ID=a",
    root: b"root image",
};

fn program(name: &str) -> MadePe {
    MadePe::new().exact(b".sdmagic", format!("#### LoaderInfo: {name} ####").as_bytes())
}

impl Files {
    fn with_root(self, mut forecasts: Forecasts) -> Forecasts {
        root_image::add(&mut forecasts, PcrIndex::DEFAULT, "root.squashfs", &digests_of(&[BANK], self.root));
        forecasts
    }

    /// A kernel with its initrd, of an entry of systemd-boot.
    pub(crate) fn entry(self) -> Forecasts {
        self.with_root(Esp::of(&self.menu(), &[BANK]).unwrap().entries.remove(0).forecasts)
    }

    /// The files of its partition.
    pub(crate) fn menu(self) -> Made {
        let kernel = MadePe::new().linux("6.12.1").exact(b".text", self.kernel).bytes();
        let conf = format!("linux /vmlinuz\ninitrd /initrd.img\noptions {}\n", self.options);
        Made::default()
            .with("EFI/BOOT/BOOTX64.EFI", program("systemd-boot 257.13").exact(b".text", self.loader).bytes())
            .with("loader/entries/a.conf", conf)
            .with("vmlinuz", kernel)
            .with("initrd.img", self.initrd)
    }

    /// A unified kernel image.
    pub(crate) fn uki(self, append: Option<&str>) -> Forecasts {
        let bytes = program("systemd-stub 257.13")
            .exact(b".osrel", self.os_release)
            .exact(b".cmdline", self.options.as_bytes())
            .exact(b".initrd", self.initrd)
            .exact(b".linux", &MadePe::new().linux("6.12.1").exact(b".text", self.kernel).bytes())
            .bytes();
        self.with_root(Uki::parse("measured.efi", &bytes).unwrap().forecasts(append, &[BANK]).unwrap())
    }
}
