//! What each step of a boot would do.

use super::{sharers, words};
use crate::boot::step::Step;
use crate::config::Config;
use crate::eventlog::journal;
use crate::measure::pcr::PcrIndex;
use crate::media::image_source::ImageSource;
use crate::root::{overlay, switch_root};
use crate::sys::mounts::{Mount, kernel_filesystems};

/// What follows if the device or the TPM does not appear (`crate::boot::linux`).
const OTHERS: &str = "later all others in the initramfs, if the root device or the TPM has not appeared after 2 s";

/// The actions of a step, in their order; empty if the step does nothing.
pub(super) fn of(step: Step, config: &Config) -> Vec<String> {
    let shell = |mounts: &[Mount]| mounts.iter().map(ToString::to_string).collect::<Vec<_>>();
    match step {
        Step::Mounts => shell(&kernel_filesystems()),
        Step::CommandLine => {
            std::iter::once("/proc/cmdline".to_owned()).chain(config.translated.iter().cloned()).collect()
        }
        Step::Modules => {
            let with_parameters = |(module, setting): &(String, String)| format!("{module}.{setting}");
            let settings: Vec<_> = config.modules.parameters.iter().map(with_parameters).collect();
            let settings = (!settings.is_empty())
                .then(|| format!("parameters of modules, if the initramfs has them: {}", settings.join(" ")));
            let forbidden = |module: &String| format!("not {module}, and not the modules that need it");
            let is_allowed = |module: &&String| !config.modules.forbidden.contains(module);
            std::iter::once(
                "those in the initramfs that this machine needs, each after the modules that it needs; a driver that answers with \
                 an error is left out"
                    .to_owned(),
            )
            .chain([OTHERS.to_owned()])
            .chain(config.modules.wanted.iter().filter(is_allowed).map(|module| format!("{module} in any case")))
            .chain(config.modules.forbidden.iter().map(forbidden))
            .chain(settings)
            .collect()
        }
        Step::Devices => {
            let delay = (!config.root_wait.delay.is_zero())
                .then(|| format!("pause for {} s", config.root_wait.delay.as_secs()));
            let root = match &config.source {
                ImageSource::Device(device) | ImageSource::File(device, _) => {
                    Some(format!("{device}, {}", words::limit(config.root_wait.limit)))
                }
                ImageSource::Search(_) => None,
            };
            let tree = config.roothash.as_ref().and_then(|roothash| roothash.tree.as_ref());
            let tree =
                tree.map(|tree| format!("{tree}, for the Merkle tree, {}", words::limit(config.root_wait.limit)));
            [words::tpm(config), words::session(config.session).to_owned(), words::rtmr(config.rtmr)]
                .into_iter()
                .chain(delay)
                .chain(root)
                .chain(tree)
                .collect()
        }
        Step::Image => words::image(config, &words::limit(config.root_wait.limit)),
        Step::Seal => vec![words::seal(config)],
        Step::Banks if config.measured => vec!["an active bank with an unknown hash algorithm is an error".to_owned()],
        Step::Hash if config.measured => vec![match &config.roothash {
            None => "once, for every active bank of the TPM, and in SHA-384 for the RTMRs of a TDX guest".to_owned(),
            Some(_) => "the root hash represents the image, which is not read".to_owned(),
        }],
        Step::Banks | Step::Hash => Vec::new(),
        Step::Extend if config.measured => {
            let digest = words::digest(config);
            let extend = format!("PCR {} with {digest} in each bank, in one command; then read it back", config.pcr);
            let other = (config.pcr != PcrIndex::DEFAULT).then(|| words::default_is_free(config.pcr));
            let rtmr = words::extended_rtmr(config.rtmr);
            std::iter::once(extend).chain(other).chain([sharers::note(config.pcr), rtmr]).collect()
        }
        Step::Extend => vec!["THE IMAGE IS NOT MEASURED (measureroot=off)".to_owned(), words::unmeasured(config.pcr)],
        Step::MountImage => vec![format!("read-only on {}", overlay::LOWER)],
        Step::Overlay => shell(&overlay::plan(&config.overlay_size.to_string(), config.writable)),
        Step::Log => {
            let logs = [journal::OWN, journal::WHOLE, journal::SYSTEMD].map(|name| format!("/run/{name}"));
            logs.into_iter().chain([format!("in a TDX guest: /run/{}", journal::CCEL)]).collect()
        }
        Step::Status => vec!["/run/measureroot/status.json".to_owned()],
        Step::MoveMounts => shell(&switch_root::moves(overlay::ROOT)),
        Step::SwitchRoot => {
            vec!["delete the initramfs' files".to_owned(), Mount::moving(overlay::ROOT, "/").to_string()]
        }
        Step::Init => vec![config.init.clone().unwrap_or_else(|| switch_root::INITS.join(", or else "))],
    }
}
