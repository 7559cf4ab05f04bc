//! An image that the logs have in another PCR than the one that the verdict is about (`rootimgpcr=`). Whatever runs could extend this one
//! with the digest of an image that did not run. So a boot with two measured images proves neither of them.

use std::collections::BTreeSet;

use super::proof::Proof;
use super::trusted_image::is_called_image;
use crate::eventlog::Event;

impl Proof {
    /// Why the image in the PCR need not be the one that runs: the logs have one in another PCR, too. That the log of an honest boot has two
    /// of them is not possible, because a boot measures one image.
    pub(super) fn measured_elsewhere(&self, name: &str) -> Option<String> {
        let (elsewhere, pcr) = (self.elsewhere()?, self.pcr);
        Some(format!(
            "PCR {pcr} has the digest of {name}, but the logs say that an image was measured into PCR {elsewhere}, too \
             (rootimgpcr=): if that one ran, it could extend PCR {pcr} with any digest"
        ))
    }

    /// A part of the reason, if the PCR does not have a trusted image: it may be in another one.
    pub(super) fn is_elsewhere(&self) -> String {
        let words = |elsewhere| {
            format!(
                "; the logs say that an image was measured into PCR {elsewhere} (rootimgpcr=): judge it with --pcr and an \
                 entry for that PCR"
            )
        };
        self.elsewhere().map(words).unwrap_or_default()
    }

    /// The other PCRs that an image was measured into, as the logs claim. The claim counts without a proof: it is against the boot.
    fn elsewhere(&self) -> Option<String> {
        let images = self.log.events().iter().filter(|event| is_called_image(event, &event.banks()));
        let pcrs: BTreeSet<_> = images.filter_map(Event::extends).filter(|&pcr| pcr != self.pcr).collect();
        let pcrs: Vec<_> = pcrs.iter().map(ToString::to_string).collect();
        (!pcrs.is_empty()).then(|| pcrs.join(", "))
    }
}
