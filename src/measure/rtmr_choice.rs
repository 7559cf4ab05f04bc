//! `measureroot.rtmr=`: which RTMR of a confidential virtual machine is extended.

use crate::error::{Error, Result};
use crate::measure::rtmr::RtmrIndex;

/// `measureroot.rtmr=`. The kernel lets root extend all four RTMRs (Linux 6.16, drivers/virt/coco/tdx-guest/tdx-guest.c, `tdx_mrs`),
/// but RTMR 0 and 1 hold what the firmware measured: its settings, Secure Boot, drivers and boot loaders. With an image in them, no
/// reference value of the firmware would fit any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtmrChoice {
    /// This one. A TDX guest whose kernel shows no RTMRs does not boot.
    Always(RtmrIndex),
    /// The default one, if the kernel shows it. A TDX guest whose kernel shows none boots: its RTMRs prove nothing about the image.
    Optional,
}

impl Default for RtmrChoice {
    fn default() -> Self {
        Self::Always(RtmrIndex::DEFAULT)
    }
}

impl RtmrChoice {
    /// Reads the parameter's value.
    ///
    /// # Errors
    /// For another word, and for the registers of the firmware.
    pub(crate) fn of(text: &str) -> Result<Self> {
        let cause = match text {
            "2" => return Ok(Self::default()),
            "3" => return Ok(Self::Always(RtmrIndex::THREE)),
            "optional" => return Ok(Self::Optional),
            "0" | "1" => "this RTMR holds what the firmware measures",
            _ => "malformed value",
        };
        Err(Error::new(text, cause).hint("2, 3 or optional"))
    }

    /// The register that is extended.
    #[must_use]
    pub fn index(self) -> RtmrIndex {
        match self {
            Self::Always(index) => index,
            Self::Optional => RtmrIndex::DEFAULT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registers_that_the_firmware_leaves_to_the_system_can_be_chosen() {
        let table = [("2", 2, false), ("3", 3, false), ("optional", 2, true)];
        for (text, index, optional) in table {
            let choice = RtmrChoice::of(text).unwrap();
            assert_eq!((choice.index().get(), choice == RtmrChoice::Optional), (index, optional), "{text}");
        }
        for text in ["0", "1"] {
            let error = RtmrChoice::of(text).unwrap_err().to_string();
            assert_eq!(error, format!("{text}: this RTMR holds what the firmware measures (2, 3 or optional)"));
        }
        for text in ["", "4", "02", "-1", "off", "2 "] {
            assert!(
                RtmrChoice::of(text).unwrap_err().to_string().ends_with("malformed value (2, 3 or optional)"),
                "{text}"
            );
        }
        assert_eq!(RtmrChoice::default().index(), RtmrIndex::DEFAULT);
    }
}
