//! The memory: does it do for the seal?

use super::entry::entries;
use super::facts::Facts;
use super::facts::memory::Memory;
use super::finding::Finding;
use super::kernel;
use crate::seal::choice::{SealChoice, SealConditions, decide};

entries! {
    IMPOSSIBLE = "seal-impossible", Fail,
        "The image cannot get the seal that the command line asks for: the memory of this machine is too small for the tree or the copy, the \
         kernel lacks dm-verity, or the length of the image does not suit it. The boot fails at the step that chooses the seal.",
        "add memory, prepare the image with veritysetup and use roothash=, or choose another measureroot.seal=";
    TIGHT = "memory-tight", Note,
        "The machine has enough memory for the seal, but not so much is available now. A boot finds more than a running system, and less than \
         all: this is not certain.",
        "try the boot, or use measureroot.seal=verity, which needs 0.8 % of the image";
    POSSIBLE = "seal-possible", Ok, "The memory of this machine does for the seal of this image.", "";
    NO_IMAGE = "seal-not-judged", Note, "Without an image, nothing is said about the memory for its seal.", "name the image with --image";
}

/// The findings. `choice` is what the command line says; `None` if the image is prepared, or not measured.
pub(super) fn judge(facts: &Facts, choice: Option<SealChoice>) -> Vec<Finding> {
    let Some(choice) = choice else { return Vec::new() };
    let Some(image) = facts.image.known() else {
        let was_given = facts.image.unread().is_some();
        return if was_given { Vec::new() } else { vec![Finding::new(&NO_IMAGE, "no image was given")] };
    };
    let Some(Memory { total, available }) = facts.machine.as_ref().and_then(|machine| machine.memory.known()) else {
        return Vec::new();
    };
    let verity = kernel::has_verity(&facts.kernel).unwrap_or(true);
    // A file is read through a loop device, whose sectors have 512 bytes.
    let conditions = |memory| SealConditions { bytes: image.bytes, block: image.block, sector: 512, verity, memory };
    let all = match decide(choice, conditions(*total)) {
        Ok(kind) => kind,
        Err(error) => return vec![Finding::new(&IMPOSSIBLE, error)],
    };
    vec![match available.map(|available| decide(choice, conditions(available))) {
        Some(Err(error)) => Finding::new(&TIGHT, error),
        _ => Finding::new(&POSSIBLE, format_args!("the image of {} bytes gets the seal: {all}", image.bytes)),
    }]
}
