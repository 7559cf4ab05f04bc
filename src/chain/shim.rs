//! shim: firmware -> shim -> GRUB (shim, shim.c, `init_grub` and `handle_image`). It measures GRUB into PCR 4 as firmware measures a
//! program, and its lists of keys into PCR 14.

use super::event::Expected;
use super::firmware;
use super::forecasts::Forecasts;
use super::mok::Mok;
use super::pe::PeFile;
use super::shim_lists::ShimLists;
use super::shim_policy::ShimPolicy;
use super::volume::Volume;
use crate::error::{Error, Result};
use crate::hash::bank::Bank;

/// What shim loads, and the program that it runs instead if it is there (shim, Makefile, `DEFAULT_LOADER` and `FALLBACK`).
const LOADER: &str = "grub";
const FALLBACK: &str = "fb";
/// The folder from which firmware starts programs of media.
const MEDIA: &str = "EFI/BOOT";
/// What shim takes certificates and levels from, if it is beside it (shim, shim.c, `load_unbundled_trust`).
const MORE: [&str; 2] = ["shim_certificate", "revocations"];
/// The version of which this is known.
const KNOWN: &str = "16.1";
/// What PCR 14 needs, as long as the variables of the machine are not given.
pub(super) const UNTOUCHED: &str = "the machine's owner told shim nothing (mokutil): no key is enrolled or forbidden";

/// shim.
#[derive(Debug)]
pub(super) struct Shim {
    name: String,
    /// Its own event in PCR 4.
    event: Expected,
    /// The path of GRUB.
    pub(super) loader: String,
    /// What it judges and measures by. The error says why that is not known.
    policy: std::result::Result<ShimPolicy, String>,
}

impl Shim {
    /// The program with these bytes at `path`. `None` if it is not shim.
    ///
    /// # Errors
    /// If it is no program for UEFI, or if it does not start GRUB.
    pub(super) fn of(
        path: &str,
        bytes: &[u8],
        architecture: &str,
        volume: &dyn Volume,
        banks: &[Bank],
    ) -> Result<Option<Self>> {
        let file = PeFile::parse(bytes).map_err(|error| error.on(path))?;
        let Some(version) = version(&file) else { return Ok(None) };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let fallback = format!("{FALLBACK}{architecture}.efi");
        // Only from the folder of media (shim, shim.c, `should_use_fallback`).
        if folder.eq_ignore_ascii_case(MEDIA)
            && volume.names(folder)?.iter().any(|name| name.eq_ignore_ascii_case(&fallback))
        {
            return Err(Error::new(
                path,
                format_args!("shim starts {fallback}, which writes a boot option and starts the machine again"),
            )
            .hint("give the folder with the program of that boot option as EFI/BOOT"));
        }
        let name = format!("shim {version}").trim_end().to_owned();
        let event = firmware::program(bytes, &name, path, banks)?;
        let more = volume.names(folder)?.into_iter().find(|name| MORE.iter().any(|more| starts_with(name, more)));
        let policy = match (version.starts_with(KNOWN), ShimLists::of(&file), more) {
            (false, ..) => Err(format!("{name}: what it measures is known here for {KNOWN}")),
            (_, None, _) => Err(format!("{name}: does not have its lists where shim {KNOWN} has them")),
            (.., Some(more)) => Err(format!("{folder}/{more}: what shim takes from it is not predicted")),
            (_, Some(lists), None) => Ok(ShimPolicy { name: name.clone(), lists }),
        };
        Ok(Some(Self { name, event, loader: format!("{folder}/{LOADER}{architecture}.efi"), policy }))
    }

    /// Its name with its version.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is expected if it starts GRUB, of which this is expected.
    pub(super) fn starts(&self, forecasts: &mut Forecasts, banks: &[Bank]) {
        forecasts.started_by(self.event.clone());
        for pcr in [4, 8, 9] {
            forecasts.assumes(pcr, "the boot option names no other program for shim, and no key waits to be enrolled");
        }
        match &self.policy {
            Ok(policy) => {
                forecasts.follows(14, policy.pcr_14(&Mok::untouched(), banks), &[UNTOUCHED]);
                forecasts.shim = Some(policy.clone());
            }
            Err(why) => forecasts.open(14, why.as_str()),
        }
    }
}

fn starts_with(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// The version, of the section `.sbat` (shim, SBAT.md): that of the distribution's line if there is one.
fn version(file: &PeFile<'_>) -> Option<String> {
    let section = file.sections().iter().find(|section| section.name_bytes() == b".sbat")?.in_memory().ok()?;
    let text = str::from_utf8(section.split(|&byte| byte == 0).next()?).ok()?;
    let of = |start: &str| text.lines().find(|line| line.starts_with(start))?.split(',').nth(4);
    let own = of("shim,")?;
    Some(of("shim.").unwrap_or(own).chars().filter(char::is_ascii_graphic).take(64).collect())
}
