//! The size of the overlay: how much the booted system can write before it gets "no space left on device".

use std::fmt::{self, Display};

use crate::cmdline::number::decimal;
use crate::error::{Error, Result};
use crate::say;

/// `measureroot.overlaysize=`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OverlaySize {
    /// Half of the memory that is available when the overlay is mounted: a copy of the image in RAM is not available any more.
    #[default]
    HalfOfAvailable,
    /// tmpfs's own notation (tmpfs(5)): bytes with an optional k, m or g, or a percentage of the RAM.
    Asked(String),
}

/// The smallest overlay in KiB. tmpfs takes 0 for "no limit".
const SMALLEST_KIB: u64 = 1024;

impl OverlaySize {
    /// Reads the parameter's value.
    ///
    /// # Errors
    /// For anything but a size in tmpfs's notation.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match read(text) {
            Some((1..=100, Unit::Percent) | (1.., Unit::Bytes(_))) => Ok(Self::Asked(text.to_owned())),
            _ => Err(Error::new(text, "malformed value").hint("a size as tmpfs reads it: 50%, 512m, 2g")),
        }
    }

    /// The size for tmpfs, on a machine with `total` bytes of memory, of which `available` bytes can be used.
    pub(super) fn for_tmpfs(&self, total: u64, available: u64) -> String {
        match self {
            Self::HalfOfAvailable => format!("{}k", (available / 2 / 1024).max(SMALLEST_KIB)),
            Self::Asked(text) => {
                if bytes(text, total) > available {
                    say::warn!(
                        "measureroot.overlaysize={text}: only {available} bytes of memory are available: a system that writes \
                         more runs out of memory, instead of getting \"no space left\""
                    );
                }
                text.clone()
            }
        }
    }
}

/// For `explain`, which does not know the machine.
impl Display for OverlaySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HalfOfAvailable => "HALF_OF_AVAILABLE_MEMORY",
            Self::Asked(text) => text,
        })
    }
}

#[derive(Clone, Copy)]
enum Unit {
    /// Percent of the RAM.
    Percent,
    /// This many bytes.
    Bytes(u64),
}

fn read(text: &str) -> Option<(u64, Unit)> {
    let unit = match text.as_bytes().last()? {
        b'%' => Unit::Percent,
        b'k' | b'K' => Unit::Bytes(1 << 10),
        b'm' | b'M' => Unit::Bytes(1 << 20),
        b'g' | b'G' => Unit::Bytes(1 << 30),
        b'0'..=b'9' => Unit::Bytes(1),
        _ => return None,
    };
    let digits = text.strip_suffix(|last: char| !last.is_ascii_digit()).unwrap_or(text);
    decimal(digits).map(|number| (number, unit))
}

fn bytes(text: &str, total: u64) -> u64 {
    match read(text) {
        Some((percent, Unit::Percent)) => total / 100 * percent,
        Some((number, Unit::Bytes(unit))) => number.saturating_mul(unit),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_tmpfs() {
        let table = [
            ("4096", Some(4096)),
            ("3k", Some(3072)),
            ("512m", Some(512 << 20)),
            ("2G", Some(2 << 30)),
            ("50%", Some(500)),
            ("100%", Some(1000)),
            ("18446744073709551615g", Some(u64::MAX)),
            ("101%", None),
            ("0", None),
            ("0%", None),
            ("0g", None),
            ("-1", None),
            ("+5m", None),
            ("5x", None),
            ("5mm", None),
            ("m", None),
            ("", None),
            ("5,mode=0", None),
        ];
        for (text, size) in table {
            let read = OverlaySize::parse(text).ok();
            assert_eq!(read, size.map(|_| OverlaySize::Asked(text.to_owned())), "{text}");
            assert!(size.is_none_or(|size| bytes(text, 1000) == size), "{text}");
        }
    }

    #[test]
    fn the_default_is_half_of_what_is_available() {
        let size = |available| OverlaySize::default().for_tmpfs(1 << 30, available);
        assert_eq!(size(200 << 20), "102400k");
        assert_eq!(size(0), "1024k");
        assert_eq!(OverlaySize::Asked("60%".to_owned()).for_tmpfs(1 << 30, 1 << 20), "60%");
    }
}
