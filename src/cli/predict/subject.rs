//! What a prediction is about.

use std::fmt::{self, Display};
use std::path::Path;

use serde::Serialize;

use crate::count::counted;
use crate::measure::image_format::ImageFormat;

/// What is measured.
#[derive(Debug, Serialize)]
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
        match self {
            Self::Image { image, .. } => {
                Path::new(image).file_name().map_or_else(|| image.clone(), |name| name.display().to_string())
            }
            Self::RootHash { .. } => self.to_string(),
        }
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { image, bytes, format } => {
                write!(f, "{image}, {}", counted(*bytes, "byte"))?;
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
        Subject::Image { image: "folder/image".to_owned(), bytes, format }
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
    }
}
