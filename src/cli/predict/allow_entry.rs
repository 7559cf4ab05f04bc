//! The options that add a prediction to a list of trusted images.

use std::path::PathBuf;

use clap::Args;

use crate::cli::allow_file;
use crate::error::Result;
use crate::evidence::allow_list::Added;
use crate::evidence::expiry::Expiry;
use crate::evidence::trusted_image::TrustedImage;
use crate::measure::measurement::Report;

/// The list, and what its entry has beside the digests.
#[derive(Debug, Args)]
pub(super) struct AllowEntry {
    /// Add the image to this list of trusted images, for measureroot verify --allow.
    #[arg(long = "allow-entry", value_name = "FILE")]
    list: Option<PathBuf>,
    /// The image's name in the list [default: the name that the list has for it, else the name of its file].
    #[arg(long, requires = "list")]
    name: Option<String>,
    /// Trust the image until the end of this day (2027-01-31, in UTC) or until this moment (RFC 3339) [default: the end
    /// that the list has for it, else without end].
    #[arg(long, value_name = "DATE", requires = "list")]
    until: Option<Expiry>,
}

impl AllowEntry {
    /// Adds a prediction to the list, if the user named one. `image` is the default for the name.
    pub(super) fn add(&self, image: &str, report: &Report) -> Result<()> {
        let Some(list) = &self.list else { return Ok(()) };
        let trusted = TrustedImage::of(self.name.as_deref().unwrap_or(image), report, self.until.clone());
        let (added, TrustedImage { name, expiry, .. }) = allow_file::append(list, &trusted, self.name.is_some())?;
        let until = expiry.map_or("without end".to_owned(), |until| format!("until {until}"));
        match added {
            Added::New => log::info!("{}: trusts {name} {until}", list.display()),
            Added::Renewed => log::info!("{}: already had this image; now trusts it as {name} {until}", list.display()),
            Added::Known => log::info!("{}: already trusts {name} {until}", list.display()),
        }
        Ok(())
    }
}
