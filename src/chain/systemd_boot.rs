//! systemd-boot: firmware -> systemd-boot -> an entry of its menu -> the agent (systemd, src/boot/boot.c, `image_start` and
//! `initrd_prepare`; before 257 in src/boot/efi/). What it measures itself: the command line that it hands over, into PCR 12. From 255
//! on it also measures loader.conf into PCR 5, which follows from a disk and a log.

use super::boot_entry::BootEntry;
use super::entry_files::EntryFiles;
use super::event::{EVENT_TAG, Expected, IPL};
use super::forecast::Part;
use super::forecasts::Forecasts;
use super::kernel::{Given, Kernel, Named};
use super::pe::PeFile;
use super::sdmagic::{self, Version};
use super::uki::Uki;
use super::volume::Volume;
use super::{doubts, firmware, stub_text};
use crate::error::Result;
use crate::hash::bank::Bank;

/// How `.sdmagic` calls it.
const NAME: &str = "systemd-boot";
/// Programs that it loads before its menu (src/boot/drivers.c).
const DRIVERS: &str = "EFI/systemd/drivers";
/// What it takes from elsewhere, from 257 on.
const NO_SMBIOS: &str = "no text of SMBIOS adds to the command line, and nobody edits it in the menu";
/// The first version that measures its configuration.
const MEASURES_LOADER_CONF: u32 = 255;
/// The newest version whose source was read for this.
const NEWEST_READ: u32 = 257;
/// What is not known of the versions between those that were read.
const BETWEEN: &str = "what systemd-boot hands over is known here for 252, and from 257 on";

/// A boot loader.
#[derive(Debug)]
pub(super) struct SystemdBoot {
    version: Version,
    /// Its own event in PCR 4.
    event: Expected,
    /// Whether it loads drivers of the partition.
    has_drivers: bool,
}

impl SystemdBoot {
    /// The boot loader with these bytes at `path`. `None` if it is another program.
    ///
    /// # Errors
    /// If it is no program for UEFI, or if the folder of its drivers cannot be read.
    pub(super) fn of(path: &str, bytes: &[u8], volume: &dyn Volume, banks: &[Bank]) -> Result<Option<Self>> {
        let file = PeFile::parse(bytes).map_err(|error| error.on(path))?;
        let Ok(version) = sdmagic::version(&file, NAME) else { return Ok(None) };
        let event = firmware::program(bytes, &format!("{NAME} {}", version.text), path, banks)?;
        doubts::warn_of_a_changed_program(&event);
        let has_drivers = volume.names(DRIVERS)?.iter().any(|name| name.to_ascii_lowercase().ends_with(".efi"));
        Ok(Some(Self { version, event, has_drivers }))
    }

    /// Its name with its version.
    pub(super) fn name(&self) -> String {
        format!("{NAME} {}", self.version.text)
    }

    /// What it measures of its configuration `file` (systemd, docs/TPM2_PCR_MEASUREMENTS.md, "PCR 5, EV_EVENT_TAG, loader.conf").
    pub(super) fn measures(&self, file: &str, bytes: &[u8], banks: &[Bank]) -> Option<Expected> {
        let what = format!("the configuration of {}", self.name());
        (self.version.major >= MEASURES_LOADER_CONF)
            .then(|| Expected::of(EVENT_TAG, &what, Some(file), &[bytes], banks))
    }

    /// Whether it hands a unified kernel image the command line of its own section: later versions leave that to the stub.
    fn repeats_the_section(&self) -> bool {
        self.version.major < 257
    }

    fn is_known(&self) -> bool {
        self.version.major == 252 || self.version.major >= 257
    }

    /// What is expected if it starts a unified kernel image: one of the menu, or that of an entry of type 1.
    pub(super) fn uki(&self, uki: &Uki<'_>, entry: Option<&BootEntry>, banks: &[Bank]) -> Result<Forecasts> {
        // If the section is not known, neither are the PCRs that it would be in: `forecasts` says why.
        let section = uki.command_line().unwrap_or_default();
        let handed_over = match (entry, section) {
            (Some(entry), _) => entry.options.clone().map(|text| (text, entry.file.clone())),
            (None, Some(section)) if self.repeats_the_section() => {
                let text = stub_text::of_section(&section).map(|text| stub_text::mangled(text, false));
                text.map(|text| (text, uki.from(".cmdline")))
            }
            (None, _) => None,
        };
        let mut forecasts = uki.forecasts(handed_over.as_ref().map(|(text, _)| text.as_str()), banks)?;
        self.hands_over(handed_over.as_ref().map(|(text, from)| (text.as_str(), from.as_str())), &mut forecasts, banks);
        Ok(self.started(forecasts))
    }

    /// What is expected if it starts a kernel of an entry of type 1.
    pub(super) fn kernel(
        &self,
        kernel: &Kernel<'_>,
        entry: &BootEntry,
        files: &EntryFiles,
        banks: &[Bank],
    ) -> Result<Forecasts> {
        let initrds = files.initrds();
        let words = entry.initrds.iter().map(|path| format!("initrd={path}")).chain(entry.options.clone());
        let words: Vec<_> = words.collect();
        let text = (!words.is_empty()).then(|| words.join(" "));
        // A kernel that knows no LoadFile2 follows the words.
        let handed_over = if kernel.linux().takes_initrd() { self.joined(initrds) } else { Vec::new() };
        let from = Some(entry.file.as_str());
        let given = Given {
            command_line: text.as_deref(),
            from,
            is_from_a_loader: text.is_some(),
            initrds: &handed_over,
            hashed: Some(files.hashed()),
            ..Given::default()
        };
        let mut forecasts = kernel.forecasts(&given, banks)?;
        // It starts the kernel also without words, so what must be as usual is not that it is absent.
        for pcr in [11, 12] {
            forecasts.follows(pcr, Vec::new(), &[]);
        }
        self.hands_over(text.as_deref().map(|text| (text, entry.file.as_str())), &mut forecasts, banks);
        if self.is_padding_unknown(initrds) {
            forecasts
                .open(9, format!("how {} fills up the initrd is known here for 252, and from 257.13 on", self.name()));
        }
        if let Some(path) = &entry.devicetree {
            forecasts
                .unmeasured
                .push(format!("the device tree {path}, which the kernel gets while Secure Boot is off"));
        }
        Ok(self.started(forecasts))
    }

    /// PCR 12 begins with the command line that it hands over.
    fn hands_over(&self, handed_over: Option<(&str, &str)>, forecasts: &mut Forecasts, banks: &[Bank]) {
        if !self.is_known() {
            for pcr in [9, 12] {
                forecasts.open(pcr, BETWEEN);
            }
            return;
        }
        if let Some((text, from)) = handed_over {
            let bytes: Vec<_> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
            let what = format!("the command line {text:?}, which {} hands over", self.name());
            forecasts.begins(12, Part::Event(Expected::of(IPL, &what, Some(from), &[&bytes], banks)));
        }
        forecasts.assumes(12, NO_SMBIOS);
    }

    /// PCR 4 has the boot loader before what it starts.
    fn started(&self, mut forecasts: Forecasts) -> Forecasts {
        if self.version.major > NEWEST_READ {
            for pcr in [9, 12] {
                forecasts.assumes(pcr, &format!("{} hands over what {NAME} {NEWEST_READ} does", self.name()));
            }
        }
        forecasts.started_by(self.event.clone());
        forecasts
    }

    /// Whatever it starts, the drivers are before that.
    pub(super) fn loads_drivers(&self, forecasts: &mut Forecasts) {
        if self.has_drivers {
            forecasts.starts_drivers(&format!("{} loads the drivers in {DRIVERS}", self.name()));
        }
    }

    /// The initrds one behind the other: from 257 on, zeros fill up each of them but the last to four bytes.
    fn joined<'a>(&self, initrds: &[Named<'a>]) -> Vec<Named<'a>> {
        let mut initrds: Vec<_> = initrds.to_vec();
        if self.version.major >= 257
            && let Some((_, all_but_the_last)) = initrds.split_last_mut()
        {
            for Named { bytes, .. } in all_but_the_last.iter_mut().filter(|initrd| initrd.bytes.len() % 4 > 0) {
                let length = bytes.len().next_multiple_of(4);
                bytes.to_mut().resize(length, 0);
            }
        }
        initrds
    }

    /// Some versions filled up the last one, too (systemd issue 35439). It does not matter if nothing is filled up.
    fn is_padding_unknown(&self, initrds: &[Named<'_>]) -> bool {
        let number = (self.version.major, self.version.minor);
        number > (252, u32::MAX) && number < (257, 13) && initrds.iter().any(|initrd| initrd.bytes.len() % 4 > 0)
    }
}
