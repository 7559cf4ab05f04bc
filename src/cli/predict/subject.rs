//! What a prediction is about.

use std::fmt::{self, Display};
use std::path::Path;

use serde::Serialize;

use crate::count::counted;
use crate::hash::bank::Bank;
use crate::hash::digest::Digests;
use crate::measure::image_digest;
use crate::measure::image_format::ImageFormat;
use crate::seal::prepared_root_hash::parse_hash;

/// What is between the places of one image.
const OR: &str = " or ";

/// What is measured.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Subject {
    /// All bytes of an image.
    Image {
        /// Its path.
        image: String,
        /// How many bytes are measured.
        bytes: u64,
        /// What the PCR is extended with.
        format: ImageFormat,
        /// The digests in all banks that were hashed.
        #[serde(skip)]
        digests: Digests,
    },
    /// An image that is on the disk that is predicted.
    OnDisk {
        /// The disk.
        #[serde(skip)]
        disk: String,
        /// Where the image is on it.
        #[serde(rename = "image")]
        place: String,
        /// How many bytes are measured.
        bytes: u64,
        /// What the PCR is extended with.
        format: ImageFormat,
        /// The digests in all banks that were hashed.
        #[serde(skip)]
        digests: Digests,
    },
    /// The root hash of an image that was prepared with veritysetup.
    RootHash {
        /// The root hash in hex.
        root_hash: String,
    },
}

impl Subject {
    /// The name in a list of trusted images, if the user gives none.
    pub(super) fn name(&self) -> String {
        let file = |path: &String| Path::new(path).file_name().map_or(path.clone(), |name| name.display().to_string());
        match self {
            Self::Image { image, .. } => file(image),
            Self::OnDisk { disk, place, .. } => format!("{}, {place}", file(disk)),
            Self::RootHash { .. } => self.to_string(),
        }
    }

    /// What extends the PCR in all banks that are known, also in those that are not predicted.
    pub(super) fn digests(&self) -> Digests {
        match self {
            Self::Image { digests, .. } | Self::OnDisk { digests, .. } => digests.clone(),
            Self::RootHash { root_hash } => {
                parse_hash(root_hash).map(|hash| image_digest::of_root_hash(&hash, &Bank::ALL)).unwrap_or_default()
            }
        }
    }
}

impl Subject {
    /// The same image is in another place of the disk, too.
    pub(super) fn is_also_at(&mut self, other: &Self) {
        if let (Self::OnDisk { place, .. }, Self::OnDisk { place: other, .. }) = (self, other)
            && place.split(OR).all(|known| known != other)
        {
            place.push_str(OR);
            place.push_str(other);
        }
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { image, bytes, format, .. } => {
                write!(f, "{image}, {}", counted(*bytes, "byte"))?;
                if *format == ImageFormat::Plain { Ok(()) } else { write!(f, ", as {format}") }
            }
            Self::OnDisk { disk, place, bytes, format, .. } => {
                write!(f, "{disk}, {place}, {}", counted(*bytes, "byte"))?;
                if *format == ImageFormat::Plain { Ok(()) } else { write!(f, ", as {format}") }
            }
            Self::RootHash { root_hash } => write!(f, "roothash={root_hash}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: u64, format: ImageFormat) -> Subject {
        Subject::Image { image: "folder/image".to_owned(), bytes, format, digests: Digests::new() }
    }

    #[test]
    fn a_subject_in_words() {
        assert_eq!(image(1, ImageFormat::Plain).to_string(), "folder/image, 1 byte");
        assert_eq!(image(512, ImageFormat::MetaMeasured).to_string(), "folder/image, 512 bytes, as meta-measured");
        assert_eq!(Subject::RootHash { root_hash: "5a".to_owned() }.to_string(), "roothash=5a");
    }

    #[test]
    fn the_name_of_an_image_is_that_of_its_file() {
        assert_eq!(image(512, ImageFormat::Plain).name(), "image");
        assert_eq!(Subject::RootHash { root_hash: "5a".to_owned() }.name(), "roothash=5a");
        let (disk, place) = ("a/disk.img".to_owned(), "/a/root.img on partition 2 (LABEL=a/b)".to_owned());
        let subject = Subject::OnDisk { disk, place, bytes: 1, format: ImageFormat::Plain, digests: Digests::new() };
        assert_eq!(subject.name(), "disk.img, /a/root.img on partition 2 (LABEL=a/b)");
    }
}
