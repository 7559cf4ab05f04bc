//! What is asked of the media: the part of the command line that finding an image needs.

use std::path::PathBuf;
use std::time::Duration;

use crate::media::rootflags::RootFlags;

/// How an image is looked for.
#[derive(Debug, Clone, Copy)]
pub struct ImageRequest<'a> {
    /// The image was prepared with veritysetup: nothing of it is read until dm-verity checks what is read.
    pub prepared: bool,
    /// `rootfstype=`: the file systems that the device of `root=` may have; any, if the list is empty.
    pub fstypes: &'a [String],
    /// `rootflags=`: options for mounting that device.
    pub flags: &'a RootFlags,
    /// How long devices are waited for.
    pub wait: Wait,
}

/// How long something is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The pause before the first look.
    pub delay: Duration,
    /// The time from the first look to the last; `None` is for ever.
    pub limit: Option<Duration>,
}

impl Wait {
    /// No pause, and at most this long.
    #[must_use]
    pub fn at_most(limit: Duration) -> Self {
        Self { delay: Duration::ZERO, limit: Some(limit) }
    }

    /// The same without the pause.
    #[must_use]
    pub fn without_delay(self) -> Self {
        Self { delay: Duration::ZERO, ..self }
    }

    /// The limit in whole seconds, for a message that says that it is over.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.limit.unwrap_or_default().as_secs()
    }
}

/// Where the image is, now that the devices that the command line names are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageLocation {
    /// The device at this node is the image.
    Device(PathBuf),
    /// The image is a file on the file system of a device.
    File {
        /// The device's node.
        node: PathBuf,
        /// The path from the top of the file system, without a slash in front.
        path: String,
    },
    /// The image is a file on some device.
    AnyDevice {
        /// The path from the top of the file system, without a slash in front.
        path: String,
    },
}
