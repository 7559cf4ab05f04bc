//! Searches every medium for the image (`rootimg=` without `root=`), again and again as devices appear.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::media::answers::Answers;
use crate::media::devices::Devices;
use crate::media::image::Found;
use crate::media::image_request::{ImageLocation, ImageRequest};
use crate::media::medium::Medium;
use crate::say;

/// How long a look waits for answers.
const LOOK: Duration = Duration::from_millis(20);

/// The first medium, in the order of the devices' names, that has the image.
///
/// # Errors
/// When no medium has the image in time. The error lists what was found on each.
pub(crate) fn find_image(devices: &Devices, path: &str, request: ImageRequest) -> Result<ImageLocation> {
    let mut answers = Answers::default();
    if let Some(device) = request.wait.until_found(|| look(devices, &mut answers, path, request))? {
        return Ok(ImageLocation::File { node: devices.node(&device), path: path.to_owned(), found: Found::Searched });
    }
    let cause = format!("not found on any medium in {} s", request.wait.seconds());
    Err(Error::new(format!("/{path}"), cause).hint(list(devices, &answers)?))
}

/// The device whose medium has the image; `None` if none has it yet, or if others have not answered yet.
fn look(devices: &Devices, answers: &mut Answers, path: &str, request: ImageRequest) -> Result<Option<String>> {
    let names = devices.names()?;
    answers.keep(&names);
    let mut is_settled = true;
    for name in &names {
        // While a partition is mounted, its disk cannot be, and the partition is the better answer. So the disk comes last.
        let mut partitions = names.iter().filter(|other| devices.disk_of(other).as_ref() == Some(name));
        if !partitions.all(|partition| answers.is_settled(partition)) {
            is_settled = false;
            continue;
        }
        let node = devices.node(name);
        answers.ask((name, devices.medium(name)), &node, || {
            Medium { node: &node, found: Found::Searched }.ask(path, request)
        })?;
    }
    answers.wait(LOOK);
    let found = devices.preferred(answers.yes(&names));
    let Some(first) = found.first() else { return Ok(None) };
    if !is_settled || devices.names()? != names || !names.iter().all(|name| answers.is_settled(name)) {
        return Ok(None);
    }
    if found.len() > 1 {
        say::warn!("/{path}: found on {}; {first} is used", found.join(", "));
    }
    for hung in answers.hung() {
        say::warn!("{hung}: does not answer, and is left out");
    }
    Ok(Some((*first).to_owned()))
}

/// What was found on the devices. Those that are alike share their reason: a message must fit into a record of the kernel's log.
fn list(devices: &Devices, answers: &Answers) -> Result<String> {
    let mut groups: Vec<(String, String)> = Vec::new();
    for name in devices.names()? {
        let reason = answers.reason(&name).unwrap_or_else(|| "was not read".to_owned());
        match groups.iter_mut().find(|(_, other)| *other == reason) {
            Some((names, _)) => *names = format!("{names}, {name}"),
            None => groups.push((name, reason)),
        }
    }
    let all: Vec<_> = groups.into_iter().map(|(names, reason)| format!("{names}: {reason}")).collect();
    Ok(if all.is_empty() { "no block device appeared".to_owned() } else { all.join("; ") })
}
